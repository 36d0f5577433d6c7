//! From a checked document to what the planner and the executor read.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use super::Document;
use super::effective::{Effective, Merged};
use super::schedule;
use super::spec::{self, DependencyRestart, GiveUp, GroupRole, HighAvailabilityMode, ReadinessType, Service};
use crate::desired::{
    Autorestart, Canary, Desired, External, Gauge, Gauges, Group, GroupIx, Ix, Launch, Limits, Listener, Login,
    Measured, OnGiveUp, Probe, Readiness, Reload, Wanted, topological,
};
use crate::model::{Fingerprint, Name};
use crate::policy::cluster;

/// What the agent needs of a document beside [`Desired`].
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The profile.
    pub profile: spec::Profile,
    /// Where relative commands start.
    pub server_root: String,
    /// Where the data lives; logs are in `log/` below it.
    pub data_root: String,
    /// A log is rotated at this size in bytes; never when absent ([R15]).
    pub rotate_size: Option<u64>,
    /// Rotated logs that are kept.
    pub keep: u32,
    /// Whether users other than root and the agent's own may read over the control socket.
    pub others_may_read: bool,
    /// Where store clients register ([R14]); nowhere with `watcher.enabled: false`.
    pub watcher: Option<WatcherPlace>,
    /// What is said of a cluster manager ([R22]).
    pub cluster: cluster::Said,
    /// The message that is sent through the whole server.
    pub canary: Option<Canary>,
    /// Names that stand for several services, such as `mta`.
    pub aliases: Vec<(Name, Vec<Name>)>,
}

/// Where store clients register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatcherPlace {
    /// The TCP port on the loopback.
    pub port: u16,
    /// The mail user: as whom the lead of the store group runs, or else its first member that says so.
    pub user: Option<String>,
}

/// The settings of a document.
pub fn settings(document: &Document) -> Settings {
    let effective = Effective::of(document.server());
    let spec = effective.spec;
    let size = spec.logs.as_ref().and_then(|logs| logs.rotate_size).map_or(10 << 20, |size| size.0);
    Settings {
        profile: spec.profile,
        server_root: effective.server_root().to_owned(),
        data_root: effective.data_root().to_owned(),
        rotate_size: (size > 0).then_some(size),
        keep: spec.logs.as_ref().and_then(|logs| logs.keep).unwrap_or(5),
        others_may_read: spec.control.as_ref().and_then(|control| control.others_may_read).unwrap_or(false),
        watcher: effective
            .watched()
            .then(|| WatcherPlace { port: effective.watcher_port(), user: mail_user(&effective) }),
        cluster: cluster(spec.high_availability.as_ref()),
        canary: spec.canary.as_ref().and_then(|said| canary(&effective, &document.server().metadata.name, said)),
        aliases: effective
            .profile
            .aliases
            .iter()
            .map(|(alias, names)| (name(alias), names.iter().map(|service| name(service)).collect()))
            .collect(),
    }
}

/// None where one of the two ends is switched off.
fn canary(effective: &Effective<'_>, server: &str, said: &spec::Canary) -> Option<Canary> {
    let place = |listener: &spec::Listener| listeners(effective.server_root(), std::iter::once(listener)).pop();
    Some(Canary {
        server: name(server),
        sender: said.sender.as_ref().unwrap_or(&said.recipient).to_string(),
        recipient: said.recipient.to_string(),
        period: said.period.map(|period| period.0),
        timeout: or_seconds(said.timeout, 60),
        submit: place(&said.submit)?,
        deliver: said.deliver.as_ref().and_then(place),
        read: place(&said.read)?,
    })
}

fn mail_user(effective: &Effective<'_>) -> Option<String> {
    let store = |merged: &&Merged| merged.service.group.as_deref() == Some("store");
    let members = || effective.services.iter().filter(store);
    let lead = members().find(|merged| merged.service.group_role == Some(GroupRole::Lead));
    let user = |merged: &Merged| merged.service.user.as_ref().map(ToString::to_string);
    lead.and_then(user).or_else(|| members().find_map(user))
}

fn cluster(said: Option<&spec::HighAvailability>) -> cluster::Said {
    let Some(said) = said else { return cluster::Said::Nothing };
    match said.mode {
        HighAvailabilityMode::None | HighAvailabilityMode::ActiveStandby => cluster::Said::NoManager,
        HighAvailabilityMode::Manager => {
            let text = |of: fn(&spec::Manager) -> &Option<spec::Label>| {
                said.manager.as_ref().and_then(|manager| of(manager).as_ref()).map(ToString::to_string)
            };
            cluster::Said::Manager(cluster::Declared {
                kind: said.manager.as_ref().map(|manager| manager.kind),
                version: text(|manager| &manager.version),
                names: cluster::Names {
                    resource: text(|manager| &manager.resource),
                    group: text(|manager| &manager.group),
                    system: text(|manager| &manager.system),
                },
            })
        }
    }
}

/// What a document wants: profile applied, names turned into indices, in list order. `generation` counts the accepted
/// documents.
pub fn resolve(document: &Document, generation: i64) -> Desired {
    let server = document.server();
    let effective = Effective::of(server);
    let unwanted = effective.unwanted();
    let mut groups: Vec<Group> = Vec::new();
    let mut group_of: HashMap<&str, GroupIx> = HashMap::new();
    let mut services = Vec::with_capacity(effective.services.len());
    for ((merged, reason), ix) in effective.services.iter().zip(&unwanted).zip(0..) {
        let service = &merged.service;
        let group = service.group.as_deref().map(|group| {
            *group_of.entry(group).or_insert_with(|| {
                groups.push(Group { name: name(group), lead: None, members: Vec::new() });
                GroupIx(index(groups.len() - 1))
            })
        });
        if let Some(group) = group {
            let group = &mut groups[group.at()];
            group.members.push(Ix(ix));
            if service.group_role == Some(GroupRole::Lead) && group.lead.is_none() {
                group.lead = Some(Ix(ix));
            }
        }
        services.push(one(&effective, merged, reason.as_deref(), group));
    }
    for at in 0..services.len() {
        for need in services[at].depends_on.clone() {
            services[need.at()].dependents.push(Ix(index(at)));
        }
    }
    let topological = order(&services, &groups);
    Desired {
        name: name(&server.metadata.name),
        generation,
        start_order: effective.start_order(),
        autorestart: Autorestart {
            enabled: effective.autorestart_enabled(),
            window: effective.window(),
            max_restarts: effective.max_restarts(),
            on_give_up: match effective.give_up() {
                GiveUp::Stay => OnGiveUp::Stay,
                GiveUp::RetryAfter => OnGiveUp::RetryAfter(effective.retry_after()),
                GiveUp::Failover => OnGiveUp::Failover,
            },
        },
        watched: effective.watched(),
        suspended: server.spec.suspend.unwrap_or(false),
        services,
        groups,
        externals: externals(&effective),
        gauges: gauges(&effective),
        topological,
        tasks: schedule::tasks(&effective, &unwanted),
    }
}

fn one(
    effective: &Effective<'_>,
    merged: &Merged,
    unwanted: Option<&str>,
    group: Option<GroupIx>,
) -> crate::desired::Service {
    let service = &merged.service;
    let enabled = service.enabled.unwrap_or(true);
    let launch = launch(effective, service);
    let mut depends_on: Vec<Ix> = Vec::new();
    for need in service.depends_on.iter().flatten().filter_map(|name| effective.by_name.get(&**name)) {
        if !depends_on.contains(&Ix(index(*need))) {
            depends_on.push(Ix(index(*need)));
        }
    }
    crate::desired::Service {
        name: name(&service.name),
        wanted: match unwanted {
            None => Wanted::Yes,
            Some(dependency) if enabled => Wanted::DependencyDisabled(name(dependency)),
            Some(_) => Wanted::Disabled,
        },
        depends_on,
        dependents: Vec::new(),
        group,
        restarts_with_dependency: service.on_dependency_restart == Some(DependencyRestart::Restart),
        held: service.hold.unwrap_or(false),
        restarted_at: service.restarted_at.as_deref().map(name),
        start_timeout: or_seconds(service.start_timeout, 60),
        stop_timeout: or_seconds(service.stop_timeout, 30),
        has_check: !launch.check.is_empty(),
        has_reload: launch.reload.is_some(),
        launch_print: launch_print(&launch),
        declaration: declaration(effective, service),
        required: service.required.unwrap_or(true),
        probing: effective.probing(service),
        launch: std::sync::Arc::new(launch),
    }
}

/// The enabled ones, in order.
fn listeners<'a>(root: &str, written: impl Iterator<Item = &'a spec::Listener>) -> Vec<Listener> {
    let enabled = written.filter(|listener| listener.enabled.unwrap_or(true));
    let one = |listener: &spec::Listener| Listener {
        address: listener.address.as_ref().map(ToString::to_string),
        port: listener.port,
        socket: listener.socket.as_ref().map(ToString::to_string),
        protocol: listener.protocol,
        tls: listener.tls.unwrap_or_default(),
        probe: probe(root, listener),
    };
    enabled.map(one).collect()
}

/// What is not ours, asked no longer than services are.
fn externals(effective: &Effective<'_>) -> Vec<External> {
    let general = effective.probing(&Service::default()).timeout;
    let one = |external: &spec::External| External {
        name: name(&external.name),
        listeners: listeners(effective.server_root(), external.listeners.iter()),
        timeout: external.timeout.map_or(general, |timeout| timeout.0),
    };
    effective.spec.external.iter().map(one).collect()
}

/// What is measured beside the services: disks, then queues.
fn gauges(effective: &Effective<'_>) -> Gauges {
    let general = effective.probing(&Service::default());
    let Some(probes) = &effective.spec.probes else { return Gauges::default() };
    let disks = probes.disks.iter().map(|disk| Gauge {
        name: name(&format!("disk {}", &*disk.path)),
        of: Measured::Disk {
            path: disk.path.to_string(),
            room: disk.free_warning.map(|room| room.0),
            inodes: disk.free_inodes_warning.map(|room| room.0),
        },
    });
    let queues = probes.queues.iter().map(|queue| Gauge {
        name: name(&format!("queue {}", &*queue.name)),
        of: Measured::Queue {
            kind: queue.kind,
            path: queue.path.to_string(),
            messages: queue.max_messages,
            age: queue.max_age.map(|age| age.0),
        },
    });
    Gauges { list: disks.chain(queues).collect(), period: general.period, timeout: general.timeout }
}

fn launch(effective: &Effective<'_>, service: &Service) -> Launch {
    let root = effective.server_root();
    let command = |words: Option<&Vec<spec::Argument>>| command(root, words);
    let listeners = listeners(root, service.listeners.iter().flatten());
    let by_default = if listeners.is_empty() { Readiness::Immediate } else { Readiness::Probe };
    let readiness = service.readiness.as_ref().map_or(by_default, |readiness| match readiness.kind {
        ReadinessType::Notify => Readiness::Notify,
        ReadinessType::Probe => Readiness::Probe,
        ReadinessType::Command => Readiness::Command(command(readiness.command.as_ref())),
        ReadinessType::PidFile => Readiness::PidFile,
        ReadinessType::Immediate => Readiness::Immediate,
    });
    let reload = service.reload.as_ref().and_then(|reload| match (&reload.command, reload.signal) {
        (Some(words), _) => Some(Reload::Command(command(Some(words)))),
        (None, Some(signal)) => Some(Reload::Signal(signal)),
        (None, None) => None,
    });
    let limits = service.limits.as_ref().map(|limits| Limits {
        open_files: limits.open_files,
        processes: limits.processes,
        core_size: limits.core_size.map(|size| size.0),
        file_size: limits.file_size.map(|size| size.0),
        address_space: limits.address_space.map(|size| size.0),
        locked_memory: limits.locked_memory.map(|size| size.0),
    });
    Launch {
        command: command(service.command.as_ref()),
        user: service.user.as_ref().map(ToString::to_string),
        user_group: service.user_group.as_ref().map(ToString::to_string),
        environment: service
            .environment
            .iter()
            .flatten()
            .map(|variable| (variable.name.to_string(), variable.value.to_string()))
            .collect(),
        directory: service.working_directory.as_ref().map(ToString::to_string),
        limits: limits.filter(|limits| *limits != Limits::default()).map(Box::new),
        watchdog: service.watchdog.map(|watchdog| watchdog.0),
        readiness,
        pid_file: service.pid_file.as_ref().map(|path| below(effective.data_root(), path)),
        stop_signal: service.stop_signal.unwrap_or_default(),
        reload,
        reload_timeout: or_seconds(service.reload.as_ref().and_then(|reload| reload.timeout), 30),
        check: command(service.check.as_ref().map(|check| &check.command)),
        check_timeout: or_seconds(service.check.as_ref().and_then(|check| check.timeout), 30),
        watch_files: service.watch_files.iter().flatten().map(|path| below(root, path)).collect(),
        listeners,
        probe: command(service.probes.as_ref().and_then(|probes| probes.command.as_ref())),
        output: service.output.unwrap_or_else(|| effective.output()),
        log: None,
    }
}

/// A command's words; a program that is a path starts at `serverRoot`, a bare name is looked up when it is run.
pub(super) fn command(root: &str, words: Option<&Vec<spec::Argument>>) -> Vec<String> {
    let mut words: Vec<String> = words.into_iter().flatten().map(ToString::to_string).collect();
    if let Some(program) = words.first_mut().filter(|program| program.contains('/')) {
        *program = below(root, program);
    }
    words
}

fn or_seconds(interval: Option<spec::Interval>, seconds: u64) -> Duration {
    interval.map_or(Duration::from_secs(seconds), |interval| interval.0)
}

/// A path below a folder; an absolute one stays what it is.
fn probe(root: &str, listener: &spec::Listener) -> Probe {
    let file = |path: &Option<spec::PathText>| path.as_ref().map(|path| below(root, path));
    Probe {
        server_name: listener.server_name.as_ref().map(ToString::to_string),
        ca_file: file(&listener.ca_file),
        certificate_file: file(&listener.certificate_file),
        certificate_warning: listener
            .certificate_warning
            .map_or_else(|| Probe::default().certificate_warning, |interval| interval.0),
        login: listener
            .login
            .as_ref()
            .map(|login| Login { user: login.user.to_string(), password_file: below(root, &login.password_file) }),
        recipient: listener.recipient.as_ref().map(ToString::to_string),
        path: listener.path.as_ref().map(ToString::to_string),
    }
}

fn below(root: &str, path: &str) -> String {
    Path::new(root).join(path).to_string_lossy().into_owned()
}

pub(super) fn name(text: &str) -> Name {
    Name::from(text)
}

fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// Dependencies first, and the lead of a group before its members. A checked document has no cycle; should one be met,
/// list order is as good as any.
fn order(services: &[crate::desired::Service], groups: &[Group]) -> Vec<Ix> {
    let names: Vec<Name> = services.iter().map(|service| service.name.clone()).collect();
    let edges: Vec<Vec<usize>> = services
        .iter()
        .zip(0..)
        .map(|(service, at)| {
            let lead = service.group.and_then(|group| groups[group.at()].lead).filter(|lead| *lead != Ix(at));
            let mut needs: Vec<usize> = service.depends_on.iter().chain(&lead).map(|need| need.at()).collect();
            needs.sort_unstable();
            needs.dedup();
            needs
        })
        .collect();
    let order = topological(&names, &edges).unwrap_or_else(|_| (0..services.len()).collect());
    order.into_iter().map(|at| Ix(index(at))).collect()
}

/// Of what only a restart can change. Written out field by field, each with its length, because it is kept in the
/// ledger and must mean the same to the next version of the agent.
fn launch_print(launch: &Launch) -> Fingerprint {
    let mut print = Fingerprint::of(b"launch");
    let mut add = |text: &str| {
        print = print.and(&(text.len() as u64).to_le_bytes()).and(text.as_bytes());
    };
    let optional = |text: &Option<String>| text.as_ref().map_or("-".to_owned(), |text| format!("={text}"));
    add(&launch.command.len().to_string());
    launch.command.iter().for_each(|word| add(word));
    add(&optional(&launch.user));
    add(&optional(&launch.user_group));
    add(&launch.environment.len().to_string());
    for (variable, value) in &launch.environment {
        add(variable);
        add(value);
    }
    add(&optional(&launch.directory));
    let limits = launch.limits.as_deref().copied().unwrap_or_default();
    let Limits { open_files, processes, core_size, file_size, address_space, locked_memory } = limits;
    for limit in [open_files, processes, core_size, file_size, address_space, locked_memory] {
        add(&limit.map_or("-".to_owned(), |limit| limit.to_string()));
    }
    // It is told to the service when that starts (`WATCHDOG_USEC`). Left out where there is none, so that records of
    // before it existed mean what they meant.
    if let Some(watchdog) = launch.watchdog {
        add(&format!("watchdog={}", watchdog.as_micros()));
    }
    print
}

/// Of everything that is declared about a service, except what is an order to it (`hold`, `restartedAt`, `enabled`).
fn declaration(effective: &Effective<'_>, service: &Service) -> Fingerprint {
    let output = Some(service.output.unwrap_or_else(|| effective.output()));
    let declared = Service { hold: None, restarted_at: None, enabled: None, output, ..service.clone() };
    // Straight into the fingerprint: a text of each service in between would leave holes between what stays in memory.
    let mut print = Fingerprint::of(b"");
    // Plain data always has a JSON form, and a fingerprint refuses nothing.
    let _ = serde_json::to_writer(&mut print, &declared);
    print.and(effective.server_root().as_bytes()).and(b"\0").and(effective.data_root().as_bytes())
}
