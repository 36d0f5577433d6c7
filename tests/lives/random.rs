//! Random documents and a small generator that gives the same numbers everywhere (`SplitMix64`).

use std::sync::Arc;
use std::time::Duration;

use mailward::desired::{
    Autorestart, DayRule, Desired, Does, Gauges, Group, GroupIx, Ix, Launch, OnGiveUp, OnHang, Probing, Service,
    StartOrder, Task, Timing, Wanted, topological,
};
use mailward::model::{Fingerprint, Name};

pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(1))
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T {
        &list[self.below(list.len() as u64) as usize]
    }
}

pub const NAMES: [&str; 7] = ["store", "imap", "pop", "http", "sched", "relay", "extra"];

/// What a random document is drawn from, so that an edit can change one thing of it.
#[derive(Clone)]
pub struct Draft {
    pub listed: bool,
    pub autorestart: Autorestart,
    pub watched: bool,
    pub suspended: bool,
    pub services: Vec<DraftService>,
    pub generation: i64,
}

#[derive(Clone)]
pub struct DraftService {
    pub name: &'static str,
    pub enabled: bool,
    pub needs: Vec<&'static str>,
    pub grouped: bool,
    pub lead: bool,
    pub follows: bool,
    pub held: bool,
    pub restarted_at: Option<&'static str>,
    pub check: bool,
    pub reload: bool,
    pub version: u64,
    pub note: u64,
    pub start_timeout: u64,
    pub stop_timeout: u64,
    pub required: bool,
    pub probing: Probing,
}

impl Draft {
    pub fn random(random: &mut Random) -> Self {
        let count = 2 + random.below(5) as usize;
        let services = (0..count).map(|at| DraftService::random(random, at)).collect();
        let on_give_up = match random.below(5) {
            4 => OnGiveUp::Failover,
            0 | 1 => OnGiveUp::RetryAfter(Duration::from_secs(600 + random.below(600))),
            _ => OnGiveUp::Stay,
        };
        Self {
            listed: random.chance(50),
            autorestart: Autorestart {
                enabled: random.chance(85),
                window: Duration::from_secs(*random.pick(&[30, 600])),
                max_restarts: *random.pick(&[0, 1, 1, 1, 2, 3]),
                on_give_up,
            },
            watched: random.chance(92),
            suspended: random.chance(5),
            services,
            generation: 1,
        }
    }

    pub fn edit(&mut self, random: &mut Random) {
        self.generation += 1;
        let at = random.below(self.services.len() as u64) as usize;
        match random.below(14) {
            0 | 1 => self.services[at].enabled ^= true,
            2 | 3 => self.services[at].version += 1,
            4 => self.services[at].note += 1,
            5 => self.services[at].held ^= true,
            6 => self.services[at].restarted_at = Some(*random.pick(&["monday", "tuesday", "friday"])),
            7 if self.services.len() > 2 => {
                let gone = self.services.remove(at).name;
                for service in &mut self.services {
                    service.needs.retain(|need| *need != gone);
                }
            }
            8 => {
                let used: Vec<&str> = self.services.iter().map(|service| service.name).collect();
                if let Some(name) = NAMES.iter().find(|name| !used.contains(name)) {
                    let mut service = DraftService::random(random, 1);
                    service.name = name;
                    service.needs.retain(|need| used.contains(need) && need != name);
                    self.services.push(service);
                }
            }
            9 => self.autorestart.enabled ^= true,
            10 => self.suspended ^= true,
            11 => self.watched ^= true,
            12 => self.autorestart.max_restarts = *random.pick(&[0, 1, 2, 3]),
            _ => self.services[at].stop_timeout = 1_000 + random.below(40_000),
        }
    }

    /// One task that needs the first service and one that needs none; the first may be disabled with it.
    fn tasks(&self) -> Vec<Task> {
        let task = |name: &str, needs: Vec<Name>, timeout: Option<u64>| Task {
            name: Arc::from(name),
            wanted: Wanted::Yes,
            timing: Timing { crontab: "* * * * *".to_owned(), day_rule: DayRule::Or, zone: Arc::from("UTC") },
            needs,
            timeout: timeout.map(Duration::from_secs),
            does: Does::Run(Arc::new(Launch::default())),
        };
        let mut tasks = vec![task("expire", vec![Arc::from(self.services[0].name)], Some(30))];
        // An edit that renames or drops the tasks' list is an edit of the document like others.
        if self.generation % 3 != 0 {
            tasks.push(task("report", Vec::new(), None));
        }
        tasks
    }

    /// Resolves it as a document is resolved.
    pub fn desired(&self) -> Desired {
        let names: Vec<Name> = self.services.iter().map(|service| Arc::from(service.name)).collect();
        let at = |name: &str| names.iter().position(|other| &**other == name).expect("edits keep edges whole");
        let mut edges: Vec<Vec<usize>> =
            self.services.iter().map(|service| service.needs.iter().map(|need| at(need)).collect()).collect();
        let lead = self.services.iter().position(|service| service.grouped && service.lead);
        let members: Vec<usize> = (0..names.len()).filter(|at| self.services[*at].grouped).collect();
        let needs = edges.clone();
        if let Some(lead) = lead {
            for member in members.iter().filter(|member| **member != lead) {
                if !edges[*member].contains(&lead) {
                    edges[*member].push(lead);
                }
            }
        }
        let order = topological(&names, &edges).expect("drafts have no cycle");
        let ix = |at: usize| Ix(at as u32);
        let mut services: Vec<Service> = Vec::new();
        for (position, draft) in self.services.iter().enumerate() {
            services.push(draft.resolve(names[position].clone(), needs[position].iter().map(|at| ix(*at)).collect()));
        }
        for (position, service) in services.iter_mut().enumerate() {
            service.dependents = (0..needs.len()).filter(|other| needs[*other].contains(&position)).map(ix).collect();
        }
        for position in &order {
            let disabled = needs[*position].iter().find(|on| services[**on].wanted != Wanted::Yes);
            if let Some(on) = disabled.filter(|_| services[*position].wanted == Wanted::Yes) {
                services[*position].wanted = Wanted::DependencyDisabled(names[*on].clone());
            }
        }
        Desired {
            name: Arc::from("mail"),
            generation: self.generation,
            start_order: if self.listed { StartOrder::Listed } else { StartOrder::Parallel },
            autorestart: self.autorestart,
            watched: self.watched,
            suspended: self.suspended,
            services,
            groups: vec![Group {
                name: Arc::from("store"),
                lead: lead.map(ix),
                members: members.into_iter().map(ix).collect(),
            }],
            externals: Vec::new(),
            gauges: Gauges::default(),
            topological: order.into_iter().map(ix).collect(),
            tasks: self.tasks(),
        }
    }
}

impl DraftService {
    fn random(random: &mut Random, at: usize) -> Self {
        let needs = if at == 0 {
            Vec::new()
        } else if random.chance(60) {
            vec![NAMES[0]]
        } else if at > 1 && random.chance(50) {
            vec![NAMES[1 + random.below(at as u64 - 1) as usize]]
        } else {
            Vec::new()
        };
        Self {
            name: NAMES[at],
            enabled: random.chance(90),
            needs,
            grouped: at == 0 || random.chance(55),
            lead: at == 0,
            follows: random.chance(15),
            held: random.chance(3),
            restarted_at: None,
            check: random.chance(25),
            reload: random.chance(40),
            version: 0,
            note: 0,
            start_timeout: 5_000 + random.below(60_000),
            stop_timeout: 1_000 + random.below(30_000),
            required: random.chance(80),
            probing: probing(random, at),
        }
    }

    fn resolve(&self, name: Name, depends_on: Vec<Ix>) -> Service {
        let launch_print = Fingerprint::of(&self.version.to_le_bytes());
        Service {
            name,
            wanted: if self.enabled { Wanted::Yes } else { Wanted::Disabled },
            depends_on,
            dependents: Vec::new(),
            group: self.grouped.then_some(GroupIx(0)),
            restarts_with_dependency: self.follows,
            held: self.held,
            restarted_at: self.restarted_at.map(Arc::from),
            start_timeout: Duration::from_millis(self.start_timeout),
            stop_timeout: Duration::from_millis(self.stop_timeout),
            has_check: self.check,
            has_reload: self.reload,
            launch_print,
            declaration: launch_print.and(&self.note.to_le_bytes()),
            required: self.required,
            probing: self.probing.clone(),
            launch: Arc::new(Launch::default()),
        }
    }
}

/// How a service is probed: by threshold, and now and then for another one's sake.
fn probing(random: &mut Random, at: usize) -> Probing {
    let on_hang = match random.below(8) {
        0 => OnHang::Report,
        1 if at > 0 => OnHang::RestartService(Arc::from(NAMES[random.below(at as u64) as usize])),
        _ => OnHang::Restart,
    };
    Probing {
        enabled: true,
        failures: 1 + random.below(3) as u32,
        pressure: 60,
        on_hang,
        needs: if random.chance(20) { vec![Arc::from("ldap")] } else { Vec::new() },
        ready_answers: random.chance(60),
        ..Probing::NONE
    }
}
