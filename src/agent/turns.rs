//! One turn: everything that was seen, ordered and declared, then one plan, then the records, then the steps.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::Request;
use super::canary::Flights;
use super::chronicle::Chronicle;
use super::cluster::Cluster;
use super::declared::Content;
use super::front::Front;
use super::gauges::Gauges;
use super::handover::Parting;
use super::inquiries::Inquiries;
use super::off_loop::OffLoop;
use super::renewal;
use super::rounds::Rounds;
use super::schedule::Reply;
use crate::clients::{Clients, Report};
use crate::clock::{self, Alarm};
use crate::control::{self, Ending, NotEnded, Scheduled};
use crate::desired::Readiness;
use crate::engine::{Engine, Happened};
use crate::history::Hold;
use crate::ledger::{Changed, Journal, State};
use crate::model::{Boot, Name, Now};
use crate::observe::readiness::Probing;
use crate::plan::{Event, Found, Seen};
use crate::report::default_log::Level;
use crate::report::sd_notify::{self, Notifier};
use crate::sources::{Candidate, Sources};
use crate::status::Condition;
use crate::supervise::{Host, Recorded};

/// The running agent.
pub(super) struct Agent {
    pub(super) engine: Engine,
    pub(super) host: Host,
    pub(super) chronicle: Chronicle,
    pub(super) name: String,
    pub(super) pid: i32,
    /// Why the newest document is not in force, where it was refused.
    pub(super) refused: Option<crate::status::Refusal>,
    /// Fields of the document in force that are newer than this agent.
    pub(super) newer: Vec<String>,
    pub(super) conditions: Vec<Condition>,
    pub(super) journal: Journal,
    pub(super) state: State,
    pub(super) last_good: OffLoop,
    /// How far schedules were followed.
    pub(super) schedule: OffLoop,
    pub(super) sources: Sources,
    pub(super) probings: HashMap<Name, Probing>,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) rounds: Rounds,
    pub(super) inquiries: Inquiries,
    pub(super) flights: Flights,
    pub(super) gauges: Gauges,
    pub(super) door: Door,
    pub(super) clients: Clients,
    pub(super) cluster: Cluster,
    pub(super) parting: Parting,
    pub(super) notifier: Option<Notifier>,
    /// How often systemd wants a sign of life, and when the last one was given.
    pub(super) watchdog: Option<(Duration, Boot)>,
    pub(super) held: BTreeSet<String>,
    /// Told to systemd last.
    pub(super) said: String,
    /// Removed services of which the host still has something: an errand that is not over.
    pub(super) departed: Vec<Name>,
    /// Of the document that was last put in force.
    pub(super) in_force: Content,
    /// In a pod: the resource that is followed.
    pub(super) front: Option<Front>,
}

/// The control socket: where it is, and who may use it.
pub(super) struct Door {
    pub(super) socket: PathBuf,
    pub(super) access: control::Access,
}

/// What a turn is made of.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) events: Vec<Event>,
    pub(super) candidates: Vec<Candidate>,
    pub(super) requests: Vec<Request>,
    pub(super) told: Vec<crate::observe::round::Told>,
    pub(super) clients: Vec<Report>,
    pub(super) reopen: bool,
    pub(super) end: bool,
}

/// How the loop goes on.
pub(super) enum After {
    /// Wait for something.
    Wait,
    /// End: everything has stopped, or the services run on.
    End(Option<oneshot::Sender<Result<(), NotEnded>>>),
    /// End in favour of this program, in the same process; the services run on.
    Renew(PathBuf, oneshot::Sender<Result<(), NotEnded>>),
}

impl Agent {
    /// One turn. `now` was sampled before the batch was gathered, so a deadline never beats a fact that is there.
    pub(super) fn turn(&mut self, now: Now, batch: Batch, alarm: &mut Alarm) -> std::io::Result<After> {
        let Batch { mut events, candidates, requests, told, clients, reopen, end } = batch;
        self.burden(&mut events);
        for event in &events {
            self.engine.see(now, event);
            self.observe(event);
        }
        self.hear_round(now, told);
        self.tell_inquiries();
        let taken = self.hear_clients(now, clients);
        let mut told = !candidates.is_empty();
        // Of a burst only the last content counts.
        if let Some(candidate) = candidates.into_iter().next_back() {
            self.declared(now, candidate);
        }
        if reopen {
            self.reopen();
        }
        if end {
            self.begin_end(now);
            self.tell_systemd(&[sd_notify::State::Stopping]);
        }
        let mut replies = Vec::new();
        let mut task_replies: Vec<Reply> = Vec::new();
        let mut after = After::Wait;
        let mut questions = Vec::new();
        for request in requests {
            match request {
                Request::Order { order, by_manager, reply } => {
                    match Some(()).filter(|()| !by_manager).and_then(|()| self.refused_for_manager(&order)) {
                        Some(words) => drop(reply.send(Err(words))),
                        None => replies.push((self.engine.order(now, &order), reply)),
                    }
                }
                Request::RunTask(name, asked, reply) => task_replies.push((self.run_task(now, &name, asked), reply)),
                Request::TaskMissed(name, missed, reply) => {
                    task_replies.push((self.engine.task_missed(now, &name, missed), reply));
                }
                Request::Refresh => self.reopen(),
                Request::Follow(follower) => self.chronicle.follow(follower),
                Request::Probe(names, reply) => self.want_round(names, reply),
                Request::Canary(reply) => self.want_canary(reply),
                Request::End { ending: Ending::Everything, done } => {
                    self.engine.end(now);
                    self.tell_systemd(&[sd_notify::State::Stopping]);
                    let _ = done.send(Ok(()));
                }
                Request::End { ending: Ending::InPlace, done } => match renewal::program() {
                    Ok(program) => after = After::Renew(program, done),
                    Err(words) => drop(done.send(Err(NotEnded::Impossible(words)))),
                },
                Request::End { ending: Ending::AgentAlone, done } if self.pid == 1 => {
                    let refusal = "the agent is process 1 here: its services cannot outlive it; stop them all instead";
                    let _ = done.send(Err(NotEnded::Impossible(refusal.to_owned())));
                }
                // Its end is what the manager watches for, and its services would run on beside those of another host.
                Request::End { ending: Ending::AgentAlone, done } => match self.manager_says_no() {
                    Some(words) => drop(done.send(Err(NotEnded::ManagerOnly(words)))),
                    None => after = After::End(Some(done)),
                },
                Request::Status(_)
                | Request::Entry(_)
                | Request::Vitals(_)
                | Request::Plan(_)
                | Request::PlanDocument(..)
                | Request::Why(..)
                | Request::Schedule(_)
                | Request::Probes(..)
                | Request::CanaryRuns(..)
                | Request::History(..) => questions.push(request),
            }
        }
        let turn = self.engine.turn(now);
        self.save(now);
        // What hangs is looked at before it is signalled.
        self.keep_evidence(now, &turn.news);
        for todo in &turn.steps {
            let Some(ix) = self.engine.find(&todo.service) else { continue };
            let marks = &self.engine.history().services[ix.at()];
            let recorded = Recorded { incarnation: marks.used, identity: marks.proven };
            let recorded = Some(&recorded).filter(|recorded| recorded.incarnation.0 > 0);
            self.host.perform(&todo.service, &self.engine.desired().service(ix).launch, &todo.step, recorded);
        }
        self.host.decided();
        for client in &turn.kills {
            self.clients.kill(*client);
        }
        for (client, outcome) in taken {
            // It may have gone; it is registered all the same, and its end is seen.
            let _ = client.send(outcome);
        }
        self.perform_tasks(&turn.tasks);
        for (taken, reply) in task_replies {
            let _ = reply.send(taken);
        }
        for (answers, reply) in replies {
            // Whoever asked may have gone; the order stands.
            let _ = reply.send(Ok(answers));
        }
        self.turn_of_rounds(now, &turn.news);
        self.turn_of_canary(now);
        let complaints = self.host.complaints();
        let reliefs = self.host.relieved();
        told |= !complaints.is_empty() || !reliefs.is_empty();
        self.turn_of_front(now, &turn.news, told);
        for happening in turn.news {
            self.note_parting(&happening);
            if happening.what == Happened::Forgotten {
                self.departed.extend(happening.service.clone());
            }
            self.chronicle.tell(happening, self.engine.desired(), |name| self.host.last_lines(name));
        }
        self.departed.retain(|name| !self.host.forget(name));
        for words in complaints {
            self.chronicle.complain(words);
        }
        for relief in reliefs {
            self.chronicle.relieve(&relief.about, &relief.words);
        }
        for question in questions {
            self.answer(question);
        }
        self.sign_of_life(now);
        let watchdog = self.watchdog.map(|(every, last)| last.plus(every));
        let front = self.front.as_ref().and_then(Front::wake);
        let wakes = [turn.wake, watchdog, self.rounds.wake(), self.gauges.wake(), self.flights.wake(), front];
        alarm.set(wakes.into_iter().flatten().min())?;
        if turn.finished {
            return Ok(After::End(None));
        }
        match after {
            // Told in the same turn or before: a successor would know nothing of it and start everything again.
            After::Renew(_, done) if self.engine.history().ending => {
                let words = "everything is being stopped, and then this agent ends; start it again".to_owned();
                let _ = done.send(Err(NotEnded::Impossible(words)));
                Ok(After::Wait)
            }
            After::Renew(program, done) => {
                // READY comes from the successor.
                self.tell_systemd(&[sd_notify::State::Reloading]);
                Ok(After::Renew(program, done))
            }
            After::Wait | After::End(_) => Ok(after),
        }
    }

    fn answer(&mut self, question: Request) {
        match question {
            Request::Status(reply) => drop(reply.send(self.status())),
            Request::Entry(reply) => drop(reply.send(self.entry())),
            Request::Vitals(reply) => drop(reply.send(self.vitals())),
            Request::Plan(reply) => drop(reply.send(self.forecast())),
            Request::PlanDocument(bytes, reply) => drop(reply.send(self.forecast_of(&bytes))),
            Request::Why(name, reply) => drop(reply.send(self.why(&name))),
            Request::History(service, reply) => drop(reply.send(self.chronicle.history(service.as_ref()))),
            Request::Schedule(reply) => drop(reply.send(Scheduled::all(&self.engine))),
            Request::CanaryRuns(reply) => drop(reply.send(self.flights.kept())),
            Request::Probes(service, reply) => drop(reply.send(self.probe_series(service.as_ref()))),
            Request::Order { .. }
            | Request::RunTask(..)
            | Request::TaskMissed(..)
            | Request::Probe(..)
            | Request::Canary(..)
            | Request::Refresh
            | Request::End { .. }
            | Request::Follow(_) => {}
        }
    }

    /// Records first, steps after: a killed agent must find what it had begun.
    fn save(&mut self, now: Now) {
        let changed = Changed { services: self.engine.take_unsaved(), tasks: self.engine.take_unsaved_tasks() };
        if !changed.tasks.is_empty() {
            self.keep_schedule(now);
        }
        let engine = &self.engine;
        let everything = || Changed { services: engine.records(), tasks: engine.task_records() };
        match self.journal.save(changed, everything) {
            Ok(()) => self.chronicle.withdraw("the journal"),
            Err(error) => self.chronicle.complain(format!("the journal: {}", chain(&error))),
        }
        let services = self.engine.desired().services.iter().zip(&self.engine.history().services);
        let held = services.filter(|(_, marks)| marks.hold == Some(Hold::Held)).map(|(service, _)| &service.name);
        if !held.clone().map(|name| &**name).eq(self.held.iter().map(String::as_str)) {
            let held: BTreeSet<String> = held.map(ToString::to_string).collect();
            if held != self.held {
                if let Err(error) = self.state.save_holds(&held) {
                    self.chronicle.message(now, Level::Error, &chain(&error));
                }
                self.held = held;
            }
        }
    }

    /// A starting service that is probed gets its probing; whatever ends its start ends that.
    fn observe(&mut self, event: &Event) {
        match &event.what {
            Seen::Spawned { incarnation, .. } | Seen::Found(Found::Ours { incarnation, .. }) => {
                let Some(ix) = self.engine.find(&event.service) else { return };
                let launch = &self.engine.desired().service(ix).launch;
                let known = self.engine.history().services[ix.at()].ready == *incarnation;
                if known {
                    // It was ready before this agent: its signs of life are waited for again.
                    self.host.settled(&event.service);
                } else if launch.readiness == Readiness::Probe {
                    let probing =
                        Probing::start(event.service.clone(), *incarnation, &launch.listeners, self.events.clone());
                    self.probings.insert(event.service.clone(), probing);
                }
            }
            Seen::Ready { .. } => {
                self.probings.remove(&event.service);
                self.host.settled(&event.service);
            }
            Seen::Exited { .. } | Seen::SpawnFailed { .. } => {
                self.probings.remove(&event.service);
            }
            Seen::Found(Found::Nothing | Found::Remains { .. } | Found::Foreign { .. })
            | Seen::MainIs { .. }
            | Seen::Probed { .. }
            | Seen::WatchdogMissed { .. }
            | Seen::Stressed { .. }
            | Seen::Recovering { .. }
            | Seen::Emptied { .. }
            | Seen::Reloaded { .. }
            | Seen::Checked { .. }
            | Seen::Files(_) => {}
        }
    }

    fn reopen(&mut self) {
        self.chronicle.reopen();
        self.host.reopen();
        self.sources.reread();
    }

    pub(super) fn tell_systemd(&mut self, states: &[sd_notify::State<'_>]) {
        if let Some(Err(error)) = self.notifier.as_ref().map(|notifier| notifier.tell(states)) {
            tracing::debug!("{}", chain(&error));
        }
    }

    /// Fed by the loop itself: a sign of life from anywhere else would prove nothing.
    fn sign_of_life(&mut self, now: Now) {
        if self.notifier.is_none() {
            return;
        }
        let desired = self.engine.desired();
        let wanted = desired.indices().filter(|ix| desired.service(*ix).wanted == crate::desired::Wanted::Yes);
        let (mut all, mut ready) = (0, 0);
        for ix in wanted {
            all += 1;
            ready += usize::from(self.engine.board().is_ready(ix));
        }
        let text = format!("{ready} of {all} services ready");
        if text != self.said {
            self.tell_systemd(&[sd_notify::State::Status(&text)]);
            self.said = text;
        }
        if let Some((every, _)) = self.watchdog.filter(|(every, last)| now.boot >= last.plus(*every)) {
            self.tell_systemd(&[sd_notify::State::Watchdog]);
            self.watchdog = Some((every, now.boot));
        }
    }

    /// Nothing is under way: the next turn comes when something happens.
    pub(super) fn is_settled(&self) -> bool {
        self.engine.wake().is_none() && self.engine.observed().services.iter().all(|facts| facts.busy.is_none())
    }

    /// Everything the host has to say; whether it has more to say at once.
    pub(super) fn drain_host(&mut self, events: &mut Vec<Event>) -> bool {
        self.host.drain(events) == crate::supervise::Drained::More
    }
}

/// An error with its causes, in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        words.push_str(": ");
        words.push_str(&cause.to_string());
        source = cause.source();
    }
    words
}

/// The present moment, for callers that begin a turn.
pub(super) fn now() -> Now {
    clock::now()
}
