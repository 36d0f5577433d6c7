//! What the document, its profile and the defaults say together. Rules and resolution both read this.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::profile::Catalogue;
use super::spec::{
    DayRule, GiveUp, HangAction, HighAvailabilityMode, Interval, MessagingServer, Output, Probes, Profile, Protocol,
    ReadinessType, Service, Spec, StartOrder, Task,
};
use crate::desired::{OnHang, Probing};
use crate::model::Name;

/// One document with everything supplied that it does not say.
pub(super) struct Effective<'a> {
    pub(super) spec: &'a Spec,
    pub(super) profile: &'static Catalogue,
    /// In list order: the profile's order, then the document's additional services.
    pub(super) services: Vec<Merged>,
    /// Where each name stands in `services`.
    pub(super) by_name: HashMap<String, usize>,
    /// In list order: the profile's order, then the document's additional tasks.
    pub(super) tasks: Vec<MergedTask>,
}

/// A task with its profile's values filled in.
pub(super) struct MergedTask {
    pub(super) task: Task,
    /// Its index in the document's list; nothing where only the profile names it.
    pub(super) at: Option<usize>,
}

/// A service with its profile's values filled in.
pub(super) struct Merged {
    pub(super) service: Service,
    /// Its index in the document's list; nothing where only the profile names it.
    pub(super) at: Option<usize>,
}

impl<'a> Effective<'a> {
    pub(super) fn of(server: &'a MessagingServer) -> Self {
        let spec = &server.spec;
        let profile = spec.profile.catalogue();
        let mut own: HashMap<&str, usize> = HashMap::new();
        for (at, service) in spec.services.iter().enumerate() {
            own.entry(&service.name).or_insert(at);
        }
        let mut services = Vec::with_capacity(profile.spec.services.len() + spec.services.len());
        let mut known = HashSet::new();
        for supplied in &profile.spec.services {
            known.insert(&*supplied.name);
            let at = own.get(&*supplied.name).copied();
            let service = at.map_or_else(|| supplied.clone(), |at| merge(&spec.services[at], supplied));
            services.push(Merged { service, at });
        }
        for (at, service) in spec.services.iter().enumerate() {
            // Of two services with one name the first counts; a rule complains about the second.
            if !known.contains(&*service.name) && own.get(&*service.name) == Some(&at) {
                services.push(Merged { service: service.clone(), at: Some(at) });
            }
        }
        let by_name = services.iter().enumerate().map(|(at, merged)| (merged.service.name.0.clone(), at)).collect();
        Self { spec, profile, services, by_name, tasks: tasks(spec, profile) }
    }

    pub(super) fn path_of(&self, index: usize, field: &str) -> String {
        match self.services[index].at {
            Some(at) => format!("spec.services[{at}].{field}"),
            None => "spec.profile".to_owned(),
        }
    }

    pub(super) fn start_order(&self) -> StartOrder {
        self.spec.start_order.or(self.profile.spec.start_order).unwrap_or(StartOrder::Parallel)
    }

    pub(super) fn autorestart_enabled(&self) -> bool {
        let of = |spec: &Spec| spec.autorestart.as_ref().and_then(|policy| policy.enabled);
        of(self.spec).or(of(&self.profile.spec)).unwrap_or(true)
    }

    pub(super) fn window(&self) -> Duration {
        let of = |spec: &Spec| spec.autorestart.as_ref().and_then(|policy| policy.timeout);
        of(self.spec).or(of(&self.profile.spec)).map_or(Duration::from_mins(10), |window| window.0)
    }

    pub(super) fn max_restarts(&self) -> u32 {
        let of = |spec: &Spec| spec.autorestart.as_ref().and_then(|policy| policy.max_restarts);
        of(self.spec).or(of(&self.profile.spec)).unwrap_or(1)
    }

    pub(super) fn give_up(&self) -> GiveUp {
        // An HA manager takes over when we give up, whatever the profile says ([R23]).
        if self.mode() == HighAvailabilityMode::Manager {
            return GiveUp::Failover;
        }
        let of = |spec: &Spec| spec.autorestart.as_ref().and_then(|policy| policy.on_give_up);
        of(self.spec).or(of(&self.profile.spec)).unwrap_or(GiveUp::Stay)
    }

    pub(super) fn retry_after(&self) -> Duration {
        let own = self.spec.autorestart.as_ref().and_then(|policy| policy.retry_after);
        own.map_or(self.window(), |after| after.0.max(self.window()))
    }

    pub(super) fn watched(&self) -> bool {
        let of = |spec: &Spec| spec.watcher.as_ref().and_then(|watcher| watcher.enabled);
        of(self.spec).or(of(&self.profile.spec)).unwrap_or(true)
    }

    pub(super) fn watcher_port(&self) -> u16 {
        let of = |spec: &Spec| spec.watcher.as_ref().and_then(|watcher| watcher.port);
        of(self.spec).or(of(&self.profile.spec)).unwrap_or(49_994)
    }

    pub(super) fn mode(&self) -> HighAvailabilityMode {
        self.spec.high_availability.as_ref().map_or(HighAvailabilityMode::None, |high| high.mode)
    }

    pub(super) fn server_root(&self) -> &str {
        self.spec.server_root.as_deref().or(self.profile.spec.server_root.as_deref()).unwrap_or("/")
    }

    pub(super) fn data_root(&self) -> &str {
        self.spec.data_root.as_deref().or(self.profile.spec.data_root.as_deref()).unwrap_or("/var/lib/mailward/data")
    }

    pub(super) fn output(&self) -> Output {
        self.spec.logs.as_ref().and_then(|logs| logs.output).unwrap_or_default()
    }

    /// How a service is probed: what it says itself, then what the document says for all, then the profile ([R8]).
    pub(super) fn probing(&self, service: &Service) -> Probing {
        let own = service.probes.clone().unwrap_or_default();
        let nothing = Probes::default();
        let general = self.spec.probes.as_ref().unwrap_or(&nothing);
        let supplied = self.profile.spec.probes.as_ref().unwrap_or(&nothing);
        let interval = |own: Option<Interval>, of: fn(&Probes) -> Option<Interval>| {
            own.or(of(general)).or(of(supplied)).map(|interval| interval.0)
        };
        let listens = service.listeners.iter().flatten().any(|listener| listener.enabled.unwrap_or(true));
        let ready_answers = match &service.readiness {
            Some(readiness) => readiness.kind == ReadinessType::Probe,
            None => listens,
        };
        Probing {
            enabled: (listens || own.command.is_some()) && own.enabled.unwrap_or(true),
            timeout: interval(own.timeout, |probes| probes.timeout).unwrap_or(Probing::NONE.timeout),
            warning: interval(own.warning_threshold, |probes| probes.warning_threshold)
                .unwrap_or(Probing::NONE.warning),
            failures: own
                .failure_threshold
                .or(general.failure_threshold)
                .or(supplied.failure_threshold)
                .unwrap_or(Probing::NONE.failures),
            period: interval(own.period, |probes| probes.period),
            pressure: general.pressure_threshold.or(supplied.pressure_threshold).unwrap_or(60),
            on_hang: self.on_hang(service),
            needs: service.needs.iter().flatten().map(|name| Name::from(&**name)).collect(),
            ready_answers: ready_answers && own.command.is_none(),
        }
    }

    /// Oracle's dispatcher carries SMTP and LMTP, so where a service of its own stands for one of them, a hang of it is
    /// mended by a restart of the dispatcher ([R8]).
    fn on_hang(&self, service: &Service) -> OnHang {
        const DISPATCHER: &str = "dispatcher";
        if let Some(hang) = &service.on_hang {
            return match (hang.action, &hang.service) {
                (HangAction::Report, _) => OnHang::Report,
                (HangAction::RestartService, Some(other)) if *other != service.name => {
                    OnHang::RestartService(Name::from(&**other))
                }
                (HangAction::Restart | HangAction::RestartService, _) => OnHang::Restart,
            };
        }
        let mut listeners =
            service.listeners.iter().flatten().filter(|listener| listener.enabled.unwrap_or(true)).peekable();
        let carries_mail = listeners.peek().is_some()
            && listeners.all(|listener| match listener.protocol {
                Protocol::Smtp | Protocol::Submission | Protocol::Lmtp => true,
                Protocol::Imap | Protocol::Pop3 | Protocol::Http | Protocol::ManageSieve | Protocol::Tcp => false,
            });
        if self.is_oracle() && carries_mail && &*service.name != DISPATCHER {
            OnHang::RestartService(Name::from(DISPATCHER))
        } else {
            OnHang::Restart
        }
    }

    /// The longest row of failed rounds that any service waits for.
    pub(super) fn failure_threshold(&self) -> u32 {
        let of = |spec: &Spec| spec.probes.as_ref().and_then(|probes| probes.failure_threshold);
        let general = of(self.spec).or(of(&self.profile.spec)).unwrap_or(1);
        let own = self.services.iter().filter_map(|merged| merged.service.probes.as_ref()?.failure_threshold).max();
        own.map_or(general, |own| own.max(general))
    }

    /// The task msprobe, where it is enabled.
    pub(super) fn msprobe(&self) -> Option<&Task> {
        let known = self.tasks.iter().map(|merged| &merged.task).find(|task| &*task.name == "msprobe");
        known.filter(|task| task.enabled.unwrap_or(true))
    }

    /// How the day fields of a task's crontab go together ([R16]).
    pub(super) fn day_rule(&self, task: &Task) -> DayRule {
        task.day_rule.unwrap_or(if self.is_oracle() { DayRule::And } else { DayRule::Or })
    }

    pub(super) fn is_oracle(&self) -> bool {
        self.spec.profile == Profile::Oracle
    }

    /// For each service the first of its dependencies that is not wanted, or itself when it is disabled.
    pub(super) fn unwanted(&self) -> Vec<Option<String>> {
        let mut unwanted: Vec<Option<String>> = self
            .services
            .iter()
            .map(|merged| (!merged.service.enabled.unwrap_or(true)).then(|| merged.service.name.0.clone()))
            .collect();
        let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); self.services.len()];
        for (at, merged) in self.services.iter().enumerate() {
            for need in merged.service.depends_on.iter().flatten().filter_map(|name| self.by_name.get(&**name)) {
                dependents[*need].push(at);
            }
        }
        let mut spread: Vec<usize> = (0..unwanted.len()).filter(|at| unwanted[*at].is_some()).collect();
        while let Some(at) = spread.pop() {
            for dependent in &dependents[at] {
                if unwanted[*dependent].is_none() {
                    unwanted[*dependent] = Some(self.services[at].service.name.0.clone());
                    spread.push(*dependent);
                }
            }
        }
        // Which of several came first in this walk is chance; the list of the service itself decides what is named.
        for at in 0..unwanted.len() {
            let service = &self.services[at].service;
            if unwanted[at].is_some() && service.enabled.unwrap_or(true) {
                let first = service
                    .depends_on
                    .iter()
                    .flatten()
                    .find(|name| self.by_name.get(&***name).is_some_and(|need| unwanted[*need].is_some()));
                unwanted[at] = first.map(|name| name.0.clone());
            }
        }
        unwanted
    }
}

/// A document's service over the profile's. How a program says that it is ready and how it is checked, reloaded and
/// told to stop belongs to the program: who brings another command brings these too.
fn merge(own: &Service, supplied: &Service) -> Service {
    let mut merged = own.clone();
    macro_rules! fill {
        ($($field:ident)*) => { $( if merged.$field.is_none() { merged.$field.clone_from(&supplied.$field); } )* };
    }
    if own.command.is_none() {
        fill!(readiness watchdog pid_file reload check stop_signal);
    }
    fill!(enabled command user user_group environment working_directory limits depends_on group group_role
        on_dependency_restart start_timeout stop_timeout watch_files listeners probes needs on_hang hold restarted_at required
        output);
    merged
}

/// The profile's tasks with what the document says of them, then the document's own.
fn tasks(spec: &Spec, profile: &Catalogue) -> Vec<MergedTask> {
    let own = |name: &str| spec.schedule.iter().position(|task| &*task.name == name);
    let known = profile.spec.schedule.iter().map(|supplied| {
        let at = own(&supplied.name);
        MergedTask { task: at.map_or_else(|| supplied.clone(), |at| merge_task(&spec.schedule[at], supplied)), at }
    });
    let mut tasks: Vec<MergedTask> = known.collect();
    for (at, task) in spec.schedule.iter().enumerate() {
        // Of two tasks with one name the first counts; a rule complains about the second.
        if own(&task.name) == Some(at) && !tasks.iter().any(|merged| merged.at == Some(at)) {
            tasks.push(MergedTask { task: task.clone(), at: Some(at) });
        }
    }
    tasks
}

fn merge_task(own: &Task, supplied: &Task) -> Task {
    let mut merged = own.clone();
    macro_rules! fill {
        ($($field:ident)*) => { $( if merged.$field.is_none() { merged.$field.clone_from(&supplied.$field); } )* };
    }
    fill!(enabled crontab day_rule command user time_zone timeout environment needs);
    merged
}
