//! Rounds of probes ([R8], [R17]): when one begins, who joins it, and what is kept of it.
//!
//! Rounds never overlap: what becomes due or is asked for meanwhile waits for the next one, unless the running one asks
//! it already. A converged agent has no task of this, only its next due moment. What an answer means is the planner's
//! to say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::turns::Agent;
use crate::desired::Ix;
use crate::engine::{Happened, Happening};
use crate::model::{Boot, Health, Name, Now, Wall};
use crate::observe::ask::Asked;
use crate::observe::round::{self, Roll, Roster, Told};
use crate::plan::{Event, Seen};
use crate::policy::rounds::due;
use crate::status::{ListenerProbe, ProbeReport, ProbeSample, ProbeSeries, ServiceProbe};

/// Answers kept of a service.
const SAMPLES: usize = 120;

/// The agent's memory of rounds.
pub(super) struct Rounds {
    tell: mpsc::Sender<Told>,
    /// The services that have a period and may be asked, by when they are due.
    schedule: BTreeSet<(Boot, Name)>,
    due_of: HashMap<Name, Boot>,
    /// Who is being asked; none between rounds.
    running: Option<HashSet<Name>>,
    /// Who is asked in the next round, and how late that is.
    queued: BTreeMap<Name, Duration>,
    waiting: Vec<Waiting>,
    latest: HashMap<Name, Vec<Asked>>,
    kept: HashMap<Name, VecDeque<Sample>>,
}

/// Somebody who asked for a round.
struct Waiting {
    names: Vec<Name>,
    /// Whether disks and queues are waited for too.
    gauges: bool,
    reply: oneshot::Sender<ProbeReport>,
}

/// An answer, small.
#[derive(Clone, Copy, Debug)]
struct Sample {
    at: Wall,
    listener: u16,
    millis: u32,
    verdict: &'static str,
}

impl Rounds {
    pub(super) fn new(tell: mpsc::Sender<Told>) -> Self {
        Self {
            tell,
            schedule: BTreeSet::new(),
            due_of: HashMap::new(),
            running: None,
            queued: BTreeMap::new(),
            waiting: Vec::new(),
            latest: HashMap::new(),
            kept: HashMap::new(),
        }
    }

    /// The next moment at which a round is due.
    pub(super) fn wake(&self) -> Option<Boot> {
        self.schedule.first().map(|(at, _)| *at)
    }

    fn plan(&mut self, name: &Name, at: Option<Boot>) {
        if let Some(before) = self.due_of.remove(name) {
            self.schedule.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.due_of.insert(name.clone(), at);
            self.schedule.insert((at, name.clone()));
        }
    }

    fn is_pending(&self, name: &Name) -> bool {
        self.queued.contains_key(name) || self.running.as_ref().is_some_and(|running| running.contains(name))
    }
}

impl Agent {
    /// Takes in what a round told; the events are for the engine.
    pub(super) fn hear_round(&mut self, now: Now, told: Vec<Told>) {
        for told in told {
            match told {
                Told::Service(found) => {
                    self.keep_answers(now, &found.service, &found.asked);
                    self.rounds.latest.insert(found.service.clone(), found.asked);
                    if let Some(running) = &mut self.rounds.running {
                        running.remove(&found.service);
                    }
                    let what = Seen::Probed { incarnation: found.incarnation, round: found.round };
                    self.engine.see(now, &Event { service: found.service, what });
                }
                Told::External(name, asked) => {
                    self.keep_answers(now, &name, &asked);
                    self.rounds.latest.insert(name, asked);
                }
                Told::Inquire(wanted) => self.inquire(wanted),
                Told::Over => self.rounds.running = None,
                Told::Canary(run) => self.hear_canary(now, run),
                Told::Gauge { name, reading, took } => self.hear_gauge(now, &name, reading, took),
                Told::GaugesOver => self.gauges.over(),
            }
        }
    }

    fn keep_answers(&mut self, now: Now, name: &Name, asked: &[Asked]) {
        let kept = self.rounds.kept.entry(name.clone()).or_default();
        for Asked { answer, .. } in asked {
            if kept.len() == SAMPLES {
                kept.pop_front();
            }
            let millis = u32::try_from(answer.took.as_millis()).unwrap_or(u32::MAX);
            kept.push_back(Sample { at: now.wall, listener: answer.listener, millis, verdict: answer.heard.word() });
        }
    }

    /// Somebody wants a round: of these services, or of all.
    pub(super) fn want_round(&mut self, names: Vec<Name>, reply: oneshot::Sender<ProbeReport>) {
        let all = names.is_empty();
        if all {
            self.gauges.want();
        }
        let desired = self.engine.desired();
        let names = if all {
            let probed = desired.services.iter().filter(|service| service.probing.enabled);
            let up = probed.filter(|service| self.engine.find(&service.name).is_some_and(|ix| self.is_wanted(ix)));
            up.map(|service| service.name.clone()).collect()
        } else {
            names
        };
        let askable: HashSet<Name> = self.engine.askable().map(|asked| asked.service.name.clone()).collect();
        for name in names.iter().filter(|name| askable.contains(*name)) {
            if !self.rounds.is_pending(name) {
                self.rounds.queued.insert(name.clone(), Duration::ZERO);
            }
        }
        self.rounds.waiting.push(Waiting { names, gauges: all, reply });
    }

    fn is_wanted(&self, ix: Ix) -> bool {
        self.engine.board().down(ix).is_none()
    }

    /// After a turn: who is due, whether a round begins, and who has waited long enough.
    pub(super) fn turn_of_rounds(&mut self, now: Now, news: &[Happening]) {
        self.plan_rounds(now, news);
        while let Some((at, name)) = self.rounds.schedule.first().cloned().filter(|(at, _)| *at <= now.boot) {
            let period = self.period_of(&name);
            self.rounds.plan(&name, period.map(|period| due(&name, period, now.boot)));
            if period.is_some() && !self.rounds.is_pending(&name) {
                self.rounds.queued.insert(name, now.boot.since(at));
            }
        }
        if self.rounds.running.is_none() && !self.rounds.queued.is_empty() {
            self.begin_round();
        }
        self.turn_of_gauges(now, news);
        let measuring = self.gauges.is_pending();
        let (over, waiting) = std::mem::take(&mut self.rounds.waiting).into_iter().partition(|waiting| {
            let asks = waiting.names.iter().any(|name| self.rounds.is_pending(name));
            !(asks || (waiting.gauges && measuring))
        });
        self.rounds.waiting = waiting;
        let over: Vec<Waiting> = over;
        for Waiting { names, gauges, reply } in over {
            let gauges = if gauges { self.gauge_report() } else { Vec::new() };
            // Whoever asked may have gone.
            let _ = reply.send(ProbeReport { gauges, services: self.report_of(now, &names) });
        }
    }

    /// What happened to a service may let it be asked, or not any more; a new document may say anything.
    fn plan_rounds(&mut self, now: Now, news: &[Happening]) {
        let all = news.iter().any(|happening| matches!(happening.what, Happened::DocumentAccepted { .. }));
        let names: BTreeSet<Name> = if all {
            let desired = self.engine.desired();
            let known: HashSet<Name> = desired.services.iter().map(|service| service.name.clone()).collect();
            let external: HashSet<Name> = desired.externals.iter().map(|external| external.name.clone()).collect();
            self.rounds.latest.retain(|name, _| known.contains(name) || external.contains(name));
            self.rounds.kept.retain(|name, _| known.contains(name) || external.contains(name));
            known.into_iter().chain(self.rounds.due_of.keys().cloned()).collect()
        } else {
            news.iter().filter_map(|happening| happening.service.clone()).collect()
        };
        for name in names {
            let period = self.period_of(&name);
            match (period, self.rounds.due_of.contains_key(&name)) {
                (Some(period), known) if all || !known => {
                    self.rounds.plan(&name, Some(due(&name, period, now.boot)));
                }
                (None, true) => self.rounds.plan(&name, None),
                (Some(_), _) | (None, false) => {}
            }
        }
    }

    /// The period of a service that may be asked now.
    fn period_of(&self, name: &Name) -> Option<Duration> {
        let ix = self.engine.find(name)?;
        let period = self.engine.desired().service(ix).probing.period?;
        self.engine.may_be_asked(ix).then_some(period)
    }

    fn begin_round(&mut self) {
        let queued = std::mem::take(&mut self.rounds.queued);
        let desired = self.engine.desired();
        let asked = self.engine.askable().filter(|asked| queued.contains_key(&asked.service.name));
        let services: Vec<Roster> = asked
            .map(|asked| Roster {
                service: asked.service.name.clone(),
                incarnation: asked.incarnation,
                listeners: asked.service.launch.listeners.clone(),
                command: asked.service.launch.probe.first().cloned(),
                timeout: asked.service.probing.timeout,
                needs: asked.service.probing.needs.clone(),
                cgroup: self.host.cgroup(&asked.service.name),
                late: queued.get(&asked.service.name).copied().unwrap_or_default(),
            })
            .collect();
        if services.is_empty() {
            return;
        }
        let needed = |name: &Name| services.iter().any(|roster| roster.needs.contains(name));
        let externals = desired.externals.iter().filter(|external| needed(&external.name)).cloned().collect();
        self.rounds.running = Some(services.iter().map(|roster| roster.service.clone()).collect());
        tokio::spawn(round::hold(Roll { services, externals }, self.rounds.tell.clone()));
    }

    /// The conversations of the last round with a service: evidence of a hang.
    pub(super) fn conversations(&self, name: &Name) -> Vec<String> {
        let launch = self.engine.find(name).map(|ix| self.engine.desired().service(ix).launch.clone());
        let launch = launch.unwrap_or_default();
        let asked = self.rounds.latest.get(name).into_iter().flatten();
        let told = asked.map(|asked| {
            let listener = launch.question(asked.answer.listener);
            let (took, heard) = (asked.answer.took.as_millis(), asked.answer.heard.word());
            format!("{}: {heard} after {took} ms\n{}", listener.unwrap_or_default(), asked.transcript)
        });
        told.collect()
    }

    fn report_of(&self, now: Now, names: &[Name]) -> Vec<ServiceProbe> {
        let desired = self.engine.desired();
        let mut services: Vec<ServiceProbe> = names.iter().map(|name| self.report_of_one(now, name)).collect();
        let needed = |name: &Name| {
            let needs = |service: &Name| {
                self.engine.find(service).is_some_and(|ix| desired.service(ix).probing.needs.contains(name))
            };
            names.iter().any(needs)
        };
        for external in desired.externals.iter().filter(|external| needed(&external.name)) {
            let asked = self.rounds.latest.get(&external.name);
            let question = |number: u16| external.listeners.get(usize::from(number)).map(ToString::to_string);
            let listeners = rows(asked.into_iter().flatten(), question, now.wall);
            let is_down = asked.into_iter().flatten().any(|asked| asked.answer.heard.is_sign_of_hang());
            services.push(ServiceProbe {
                service: external.name.to_string(),
                external: true,
                health: asked.map(|_| if is_down { Health::Fails } else { Health::Answers }),
                finding: if is_down { "does not answer".to_owned() } else { String::new() },
                listeners,
                ..ServiceProbe::default()
            });
        }
        services
    }

    fn report_of_one(&self, now: Now, name: &Name) -> ServiceProbe {
        let unknown = || ServiceProbe { service: name.to_string(), ..ServiceProbe::default() };
        let Some(ix) = self.engine.find(name) else { return unknown() };
        let (service, facts) = (self.engine.desired().service(ix), &self.engine.observed().services[ix.at()]);
        let probed = facts.probed.as_ref();
        let diagnosis = probed.and_then(|probed| probed.diagnosis.as_ref());
        let Some(diagnosis) = diagnosis else {
            let why = if service.launch.questions() == 0 {
                "not asked: it has no listener and no command for it".to_owned()
            } else if !service.probing.enabled {
                "not asked: its probes are switched off".to_owned()
            } else {
                format!("not asked: it {}", self.engine.verdict(ix).reason.sentence(self.engine.desired(), ix))
            };
            return ServiceProbe { finding: why, ..unknown() };
        };
        let asked = self.rounds.latest.get(name).into_iter().flatten();
        let health = diagnosis.kind();
        ServiceProbe {
            health: Some(health),
            hangs: facts.hang().is_some(),
            finding: if health == Health::Answers { String::new() } else { diagnosis.to_string() },
            listeners: rows(asked, |number| service.launch.question(number), now.wall),
            ..unknown()
        }
    }

    /// How long the last answer of each listener took: service, listener, seconds.
    pub(super) fn probe_seconds(&self) -> Vec<(String, String, f64)> {
        let desired = self.engine.desired();
        let latest = |name| self.rounds.latest.get(name).into_iter().flatten();
        let mut told = Vec::new();
        let mut tell = |name: &Name, asked: &Asked, question: Option<String>| {
            told.extend(question.map(|question| (name.to_string(), question, asked.answer.took.as_secs_f64())));
        };
        for service in &desired.services {
            for asked in latest(&service.name) {
                tell(&service.name, asked, service.launch.question(asked.answer.listener));
            }
        }
        for external in &desired.externals {
            for asked in latest(&external.name) {
                let listener = external.listeners.get(usize::from(asked.answer.listener));
                tell(&external.name, asked, listener.map(ToString::to_string));
            }
        }
        told
    }

    /// The kept answers, of one service or of all.
    pub(super) fn probe_series(&self, only: Option<&Name>) -> Vec<ProbeSeries> {
        let mut all: Vec<ProbeSeries> = self
            .rounds
            .kept
            .iter()
            .filter(|(name, _)| only.is_none_or(|only| only == *name))
            .map(|(name, samples)| ProbeSeries {
                service: name.to_string(),
                samples: samples.iter().map(|sample| sample.told()).collect(),
            })
            .collect();
        all.extend(self.gauges.series(only));
        all.sort_by(|a, b| a.service.cmp(&b.service));
        all
    }
}

impl Sample {
    fn told(self) -> ProbeSample {
        ProbeSample {
            time: self.at.to_string(),
            listener: self.listener,
            took_ms: u64::from(self.millis),
            verdict: self.verdict.to_owned(),
            value: None,
        }
    }
}

fn rows<'a>(
    asked: impl Iterator<Item = &'a Asked>,
    question: impl Fn(u16) -> Option<String>,
    now: Wall,
) -> Vec<ListenerProbe> {
    let row = |asked: &Asked| ListenerProbe {
        listener: question(asked.answer.listener).unwrap_or_default(),
        took_ms: u64::try_from(asked.answer.took.as_millis()).unwrap_or(u64::MAX),
        verdict: asked.answer.heard.word().to_owned(),
        words: words(asked),
        certificate_days: asked.certificate.as_ref().map(|certificate| certificate.days_left(now)),
    };
    asked.map(row).collect()
}

/// What is said beside the verdict: the peer's words, else that the certificate ends soon.
fn words(asked: &Asked) -> String {
    let soon = asked.certificate.as_ref().is_some_and(|certificate| certificate.ends_soon);
    match asked.answer.heard.words() {
        Some(words) => words.to_string(),
        None if soon => "its certificate ends soon".to_owned(),
        None => String::new(),
    }
}
