//! What a life had in it, so that many quiet ones prove nothing.

use std::fmt;

#[derive(Debug, Default)]
pub struct Totals {
    pub spawns: u64,
    pub charged: u64,
    pub gave_up: u64,
    pub group_restarts: u64,
    pub hangs: u64,
    pub kills: u64,
    pub turns: u64,
    pub task_runs: u64,
    pub handovers: u64,
    pub client_restarts: u64,
    pub frozen: u64,
}

impl Totals {
    pub fn add(&mut self, other: &Self) {
        self.spawns += other.spawns;
        self.charged += other.charged;
        self.gave_up += other.gave_up;
        self.group_restarts += other.group_restarts;
        self.hangs += other.hangs;
        self.kills += other.kills;
        self.turns += other.turns;
        self.task_runs += other.task_runs;
        self.handovers += other.handovers;
        self.client_restarts += other.client_restarts;
        self.frozen += other.frozen;
    }

    pub fn is_eventful(&self) -> bool {
        self.spawns > 0
            && self.charged > 0
            && self.gave_up > 0
            && self.group_restarts > 0
            && self.hangs > 0
            && self.kills > 0
            && self.task_runs > 0
            && self.handovers > 0
            && self.client_restarts > 0
            && self.frozen > 0
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            spawns,
            charged,
            gave_up,
            group_restarts,
            hangs,
            kills,
            turns,
            task_runs,
            handovers,
            client_restarts,
            frozen,
        } = self;
        write!(
            f,
            "{turns} turns, {spawns} starts, {charged} restarts charged, {gave_up} give-ups, {group_restarts} group restarts, {client_restarts} of them for store clients, {hangs} hangs, {frozen} frozen clients, {handovers} hand-overs, {task_runs} runs of tasks, {kills} kills of the agent"
        )
    }
}
