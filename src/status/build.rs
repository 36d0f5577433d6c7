//! From the engine to the status of one instance.

use super::{ClientStatus, Instance, ServiceStatus, Trouble, Truth};
use crate::desired::{Ix, Wanted};
use crate::engine::Engine;
use crate::model::{Boot, Diagnosis, Fact, Name};
use crate::observed::Process;
use crate::plan::{Outlook, Reason};

/// What the agent knows beside the engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct About {
    /// The host, or the pod.
    pub name: String,
    /// The agent's own process.
    pub agent_pid: i32,
    /// The agent's version.
    pub agent_version: String,
}

/// What is told of one agent and its services. `says` and `lines` give the last words and the last output of a service.
pub fn instance(
    engine: &Engine,
    about: &About,
    now: Boot,
    says: impl Fn(&str) -> Option<String>,
    lines: impl Fn(&str) -> Vec<String>,
) -> Instance {
    let services = engine.desired().indices().map(|ix| {
        let mut status = service_status(engine, ix, now);
        status.says = says(&status.name).filter(|_| status.pid.is_some());
        // The output of what works is in its log; of what failed the reader should not have to look for it.
        if status.ready != Truth::True && status.enabled && (status.last_exit.is_some() || status.gave_up) {
            status.last_lines = lines(&status.name);
        }
        status
    });
    Instance {
        services: services.collect(),
        clients: engine
            .observed()
            .clients
            .iter()
            .map(|(identity, client)| ClientStatus { name: client.name.to_string(), pid: identity.pid })
            .collect(),
        advice: advice(engine),
        name: about.name.clone(),
        agent_pid: about.agent_pid,
        agent_version: about.agent_version.clone(),
        observed_generation: engine.desired().generation,
        ..Instance::default()
    }
}

/// With autorestart off, what is safer than to start again only what failed: others may wait for its locks ([R12]).
fn advice(engine: &Engine) -> String {
    let (desired, history) = (engine.desired(), engine.history());
    let is_left = |ix: &Ix| engine.verdict(*ix).reason == Reason::AutorestartOff;
    let failed = desired.indices().filter(is_left).map(|ix| desired.service(ix).name.clone());
    let client = history.clients.failure.as_ref().filter(|_| !desired.autorestart.enabled);
    let failed: Vec<Name> = failed.chain(client.map(|failure| failure.name.clone())).collect();
    if failed.is_empty() {
        return String::new();
    }
    let clients = engine.living_clients();
    let first =
        if clients.is_empty() { String::new() } else { format!(", after these store clients: {}", clients.join(", ")) };
    format!(
        "{} failed and autorestart is off: it is safer to stop all services{first}, and to start all",
        failed.join(", ")
    )
}

/// What is told of one service.
pub fn service_status(engine: &Engine, ix: Ix, now: Boot) -> ServiceStatus {
    let (service, marks, facts) =
        (engine.desired().service(ix), &engine.history().services[ix.at()], &engine.observed().services[ix.at()]);
    let pid = facts.alive().and_then(|alive| alive.identity).map(|identity| identity.pid);
    let ready = match &facts.process {
        Fact::Unknown(_) => Truth::Unknown,
        Fact::Known(Process::Alive(alive)) => {
            Truth::from(marks.ready == alive.incarnation && facts.hang().is_none() && marks.hung().is_none())
        }
        Fact::Known(Process::Absent | Process::Remains { .. } | Process::Foreign { .. }) => Truth::False,
    };
    let verdict = engine.verdict(ix).reason;
    let mut reason = verdict.sentence(engine.desired(), ix);
    if let Fact::Known(Process::Foreign { who }) = &facts.process {
        reason = format!("{reason}: {who}");
    }
    if let Some(words) = marks.start_failed.as_ref().filter(|_| service.wanted == Wanted::Yes) {
        reason = format!("{reason}; at its last start {words}");
    }
    if let Some(words) = &marks.reload_failed {
        reason = format!("{reason}; runs the previous configuration, its reload failed: {words}");
    }
    if let Some(complaint) = marks.checked.as_ref().and_then(|checked| checked.complaint.as_ref()) {
        reason = format!("{reason}; its checker says: {complaint}");
    }
    let diagnosis = facts.probed.as_ref().and_then(|probed| probed.diagnosis.as_ref());
    if let Some(hang) = facts.hang() {
        reason = format!("{reason}; {}", hang.words);
    } else if let Some(diagnosis) = diagnosis.filter(|diagnosis| **diagnosis != Diagnosis::Answers) {
        reason = format!("{reason}; {diagnosis}");
    }
    let trouble = if verdict == Reason::StopFailed {
        Some(Trouble::StopFailed)
    } else if verdict == Reason::CheckFailed {
        Some(Trouble::CheckFailed)
    } else {
        marks.reload_failed.as_ref().map(|_| Trouble::ReloadFailed)
    };
    let restarts = marks.charged_within(engine.desired().autorestart.window, now);
    ServiceStatus {
        name: service.name.to_string(),
        enabled: service.wanted == Wanted::Yes,
        held: marks.hold.is_some() || service.held,
        gave_up: marks.given_up.is_some(),
        pid,
        since: pid.map(|_| marks.spawned_wall.to_string()),
        ready,
        restarts_in_window: u32::try_from(restarts).unwrap_or(u32::MAX),
        reason,
        trouble,
        health: diagnosis.map(Diagnosis::kind),
        finding: diagnosis.filter(|diagnosis| **diagnosis != Diagnosis::Answers).map(ToString::to_string),
        settled: is_settled(engine, ix),
        group: service.group.map(|group| engine.desired().groups[group.at()].name.to_string()),
        required: service.required,
        last_exit: marks.last_death.map(|death| format!("{} at {}", death.exit, death.wall)),
        says: None,
        last_lines: Vec::new(),
    }
}

/// Follows the chain of what a service waits for: who waits for something that stays down is settled as well.
fn is_settled(engine: &Engine, ix: Ix) -> bool {
    let mut at = ix;
    // Dependencies have no cycle; a chain is never longer than the list.
    for _ in engine.desired().indices() {
        match engine.verdict(at).reason.outlook() {
            Outlook::Settled => return true,
            Outlook::Moving => return false,
            Outlook::AsSettledAs(other) => at = other,
        }
    }
    false
}
