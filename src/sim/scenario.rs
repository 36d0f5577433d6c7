//! Scenarios as text: a document, a timeline, and what is expected. Every incident becomes one.
//!
//! ```text
//! # the rule, in words
//! document:
//!   profile: Oracle
//!   autorestart: {enabled: true}
//! timeline:
//!   0s agent starts
//!   30s imap ends with signal 9
//!   60s end
//! expect:
//!   30.000 imap: failed: was killed by SIGKILL
//! ```
//!
//! The document is the body of `spec`; a line of the timeline is a time on the boot clock and what happens then. Lines
//! that are indented further belong to the line before them (a new document). `from: 20s` in a line of its own leaves out
//! what is told before.

use std::time::Duration;

use super::Behaviour;
use crate::desired::Task;
use crate::engine::{Order, Verb, Whom};
use crate::model::{Boot, Exit, Heard, Name, Pressure};
use crate::plan::ClientSeen;
use crate::sim::Way;

/// A scenario, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// The comment at its head.
    pub title: String,
    /// The first document, whole.
    pub document: String,
    /// What happens, in the order of time.
    pub timeline: Vec<(Boot, Incident)>,
    /// Nothing is told before this.
    pub from: Boot,
    /// The text that the play must give.
    pub expected: String,
}

/// Something that happens in a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incident {
    /// A life of the agent begins.
    AgentStarts,
    /// A life of the agent begins because somebody wants these started and no agent ran.
    AgentStartsFor(Vec<Name>),
    /// `kill -9` of the agent.
    AgentKilled,
    /// `kill -9` of the agent around its next step that is more than a look.
    AgentKilledAround(Moment),
    /// The agent is told to stop everything and end.
    AgentEnds,
    /// A person orders.
    Person(Order),
    /// A main process ends from outside.
    Ends(Name, Exit),
    /// A service behaves differently from now on.
    Behaves(Name, Box<Behaviour>),
    /// A round of probes begins, of these services or of all.
    Round(Vec<Name>),
    /// How its living process answers probes from now on, on one listener or on all.
    Listens(Name, Option<u16>, Way),
    /// The host, or the cgroup of a service, is under this pressure.
    Strained(Option<Name>, Pressure),
    /// The prober comes to act this much too late.
    ProberLate(Duration),
    /// An external dependency answers from now on, or does not.
    External(Name, bool),
    /// It gives no sign of life in time.
    WatchdogMissed(Name),
    /// It says that it is stressed and wants to be believed so long.
    Stressed(Name, Duration),
    /// Somebody else takes, or frees, its place.
    Place(Name, Option<Name>),
    /// Its watched files change.
    FilesChange(Name),
    /// A store client says something; one that registers begins to live.
    Client(Name, ClientSeen),
    /// The document is replaced.
    Document(String),
    /// The scheduler says that a task is due in the present minute.
    TaskIsDue(Name),
    /// A person wants a task to run now.
    PersonRuns(Name),
    /// The wall clock jumps by this many seconds.
    WallJumps(i64),
    /// The machine restarts; the boot clock begins at zero again.
    Reboot,
    /// Nothing; the play goes on until here.
    End,
}

/// When in a turn the agent is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// The records are saved and nothing is done yet.
    BeforeStep,
    /// What was to be done is done and no answer has been heard.
    BeforeAnswer,
}

/// Why a scenario cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScenarioError {
    /// A line that means nothing.
    #[error("line {line}: {text:?}: {expected}")]
    Line {
        /// Counted from one.
        line: usize,
        /// The line.
        text: String,
        /// What was expected instead.
        expected: &'static str,
    },
    /// A section is missing.
    #[error("there is no section {0:?}; a scenario has document:, timeline: and expect:")]
    Missing(&'static str),
}

impl Scenario {
    /// Reads a scenario.
    ///
    /// # Errors
    /// The first line that means nothing, or the section that is missing.
    pub fn read(text: &str) -> Result<Self, ScenarioError> {
        let title =
            text.lines().take_while(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
        let title = title.collect::<Vec<_>>().join(" ");
        let document = section(text, "document:")?.into_iter().map(|(_, line)| line).collect::<Vec<_>>();
        let timeline = read_timeline(&section(text, "timeline:")?)?;
        let expected = section(text, "expect:").unwrap_or_default();
        let expected = expected.iter().flat_map(|(_, line)| [line.trim(), "\n"]).collect();
        Ok(Self { title, document: whole_document(&document), timeline, from: read_from(text)?, expected })
    }
}

fn read_from(text: &str) -> Result<Boot, ScenarioError> {
    let found = (1..).zip(text.lines()).find_map(|(number, line)| Some((number, line.strip_prefix("from:")?)));
    let Some((line, from)) = found else { return Ok(Boot(0)) };
    let expected = "a time such as 20s";
    let fault = ScenarioError::Line { line, text: from.trim().to_owned(), expected };
    duration(from.trim()).map(|from| Boot(0).plus(from)).ok_or(fault)
}

/// The lines below a heading, with their numbers, up to the next line that is not indented.
fn section<'a>(text: &'a str, heading: &'static str) -> Result<Vec<(usize, &'a str)>, ScenarioError> {
    let mut lines = (1..).zip(text.lines()).skip_while(|(_, line)| line.trim_end() != heading);
    lines.next().ok_or(ScenarioError::Missing(heading))?;
    Ok(lines
        .take_while(|(_, line)| line.is_empty() || line.starts_with(' '))
        .filter(|(_, line)| !line.trim().is_empty())
        .collect())
}

fn whole_document(lines: &[&str]) -> String {
    let mut whole =
        String::from("apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {name: mail}\nspec:\n");
    for line in lines {
        whole.push_str(line);
        whole.push('\n');
    }
    whole
}

fn read_timeline(lines: &[(usize, &str)]) -> Result<Vec<(Boot, Incident)>, ScenarioError> {
    let mut timeline: Vec<(Boot, Incident)> = Vec::new();
    let mut at = 0;
    while let Some((number, line)) = lines.get(at).copied() {
        at += 1;
        let indent = indent_of(line);
        let fault = |expected| ScenarioError::Line { line: number, text: line.trim().to_owned(), expected };
        let (time, what) = line.trim().split_once(' ').ok_or(fault("a time and what happens then"))?;
        let time = duration(time).ok_or(fault("a time such as 0s, 1500ms or 10m"))?;
        let mut below = Vec::new();
        while let Some((_, deeper)) = lines.get(at).filter(|(_, next)| indent_of(next) > indent) {
            below.push(&deeper[2.min(deeper.len())..]);
            at += 1;
        }
        let incident = match what.trim() {
            "document" => Incident::Document(whole_document(&below)),
            other => incident(other).ok_or(fault(
                "agent starts [for NAMES] | agent is killed | agent is killed before its next step is done or answered | \
                 agent ends | client NAME registers [with heartbeat TIME] | client NAME says alive, stressed or goodbye | \
                 client NAME loses its connection | client NAME ends with signal N or code N | \
                 person: VERB [-f] [NAMES] | NAME ends with signal N or code N | \
                 NAME behaves: HOW | round [of NAMES] | NAME [listener N] WAY | host|NAME is under pressure: RESOURCE N | \
                 host|NAME is calm | prober is late by TIME | external NAME is up or down | NAME misses its watchdog | \
                 NAME says that it is stressed [for TIME] | NAME place is taken by WHO | NAME place is free | NAME files change | document | \
                 task NAME is due | person runs task NAME | task NAME behaves: HOW | \
                 wall clock jumps N forward or back | reboot | end",
            ))?,
        };
        timeline.push((Boot(0).plus(time), incident));
    }
    Ok(timeline)
}

fn indent_of(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

fn incident(text: &str) -> Option<Incident> {
    match text {
        "agent starts" => return Some(Incident::AgentStarts),
        "agent is killed" => return Some(Incident::AgentKilled),
        "agent is killed before its next step is done" => return Some(Incident::AgentKilledAround(Moment::BeforeStep)),
        "agent is killed before its next step is answered" => {
            return Some(Incident::AgentKilledAround(Moment::BeforeAnswer));
        }
        "agent ends" => return Some(Incident::AgentEnds),
        "reboot" => return Some(Incident::Reboot),
        "end" => return Some(Incident::End),
        "round" => return Some(Incident::Round(Vec::new())),
        _ => {}
    }
    if let Some(names) = text.strip_prefix("agent starts for ") {
        return Some(Incident::AgentStartsFor(names.split_whitespace().map(Name::from).collect()));
    }
    if let Some(order) = text.strip_prefix("person: ") {
        return person(order).map(Incident::Person);
    }
    if let Some(client) = text.strip_prefix("client ") {
        let (name, what) = client.split_once(' ')?;
        return client_seen(name, what).map(|seen| Incident::Client(Name::from(name), seen));
    }
    if let Some(jump) = text.strip_prefix("wall clock jumps ") {
        let (by, direction) = jump.split_once(' ')?;
        let by = i64::try_from(duration(by)?.as_secs()).ok()?;
        return match direction {
            "forward" => Some(Incident::WallJumps(by)),
            "back" => Some(Incident::WallJumps(-by)),
            _ => None,
        };
    }
    if let Some(names) = text.strip_prefix("round of ") {
        return Some(Incident::Round(names.split_whitespace().map(Name::from).collect()));
    }
    if let Some(by) = text.strip_prefix("prober is late by ") {
        return duration(by).map(Incident::ProberLate);
    }
    if let Some(external) = text.strip_prefix("external ") {
        let (name, state) = external.split_once(" is ")?;
        return match state {
            "up" => Some(Incident::External(Name::from(name), true)),
            "down" => Some(Incident::External(Name::from(name), false)),
            _ => None,
        };
    }
    if let Some(name) = text.strip_prefix("person runs task ") {
        return Some(Incident::PersonRuns(Name::from(name)));
    }
    let task = text.strip_prefix("task ");
    let (name, what) = task.unwrap_or(text).split_once(' ')?;
    if task.is_some() && what == "is due" {
        return Some(Incident::TaskIsDue(Name::from(name)));
    }
    let name = if task.is_some() { Task::key(name) } else { Name::from(name) };
    if let Some(incident) = health(&name, what) {
        return Some(incident);
    }
    if let Some(exit) = what.strip_prefix("ends with ") {
        return exit_of(exit).map(|exit| Incident::Ends(name, exit));
    }
    if let Some(how) = what.strip_prefix("behaves: ") {
        return behaviour(how).map(|how| Incident::Behaves(name, Box::new(how)));
    }
    if let Some(who) = what.strip_prefix("place is taken by ") {
        return Some(Incident::Place(name, Some(Name::from(who))));
    }
    match what {
        "place is free" => Some(Incident::Place(name, None)),
        "files change" => Some(Incident::FilesChange(name)),
        _ => None,
    }
}

fn client_seen(name: &str, what: &str) -> Option<ClientSeen> {
    if let Some(exit) = what.strip_prefix("ends with ") {
        return exit_of(exit).map(ClientSeen::Gone);
    }
    if let Some(heartbeat) = what.strip_prefix("registers with heartbeat ") {
        return Some(ClientSeen::Registered { name: Name::from(name), heartbeat: Some(duration(heartbeat)?) });
    }
    match what {
        "registers" => Some(ClientSeen::Registered { name: Name::from(name), heartbeat: None }),
        "says alive" => Some(ClientSeen::Alive),
        "says stressed" => Some(ClientSeen::Stressed),
        "says goodbye" => Some(ClientSeen::Goodbye),
        "loses its connection" => Some(ClientSeen::Disconnected),
        _ => None,
    }
}

/// What concerns probes and their verdicts.
fn health(name: &Name, what: &str) -> Option<Incident> {
    let whom = (&**name != "host").then(|| name.clone());
    if what == "is calm" {
        return Some(Incident::Strained(whom, Pressure::default()));
    }
    if let Some(pressure) = what.strip_prefix("is under pressure: ") {
        let (resource, share) = pressure.split_once(' ')?;
        let share = share.parse().ok()?;
        let pressure = match resource {
            "cpu" => Pressure { cpu: share, ..Pressure::default() },
            "memory" => Pressure { memory: share, ..Pressure::default() },
            "io" => Pressure { io: share, ..Pressure::default() },
            _ => return None,
        };
        return Some(Incident::Strained(whom, pressure));
    }
    if what == "misses its watchdog" {
        return Some(Incident::WatchdogMissed(name.clone()));
    }
    if let Some(span) = what.strip_prefix("says that it is stressed") {
        let span = if span.is_empty() { Duration::MAX } else { duration(span.strip_prefix(" for ")?)? };
        return Some(Incident::Stressed(name.clone(), span));
    }
    let (listener, what) = match what.strip_prefix("listener ") {
        Some(rest) => {
            let (number, rest) = rest.split_once(' ')?;
            (Some(number.parse().ok()?), rest)
        }
        None => (None, what),
    };
    way(what).map(|way| Incident::Listens(name.clone(), listener, way))
}

/// `answers`, `answers after 6s`, `is silent`, `refuses connections`, `closes early`, `says no: WORDS`,
/// `has a bad certificate: WORDS`, `babbles: WORDS`, `cannot be asked: WORDS`.
fn way(what: &str) -> Option<Way> {
    let soon = |heard| Some(Way { after: Duration::from_millis(10), heard });
    match what {
        "answers" => return soon(Heard::Served),
        "is silent" => return soon(Heard::Silent),
        "refuses connections" => return soon(Heard::NotListening(Name::from("connection refused"))),
        "closes early" => return soon(Heard::ClosedEarly(Name::from("after 0 bytes"))),
        _ => {}
    }
    if let Some(after) = what.strip_prefix("answers after ") {
        return duration(after).map(|after| Way { after, heard: Heard::Served });
    }
    let (how, words) = what.split_once(": ")?;
    let words = Name::from(words);
    match how {
        "says no" => soon(Heard::Refused(words)),
        "has a bad certificate" => soon(Heard::BadCertificate(words)),
        "babbles" => soon(Heard::Violation(words)),
        "cannot be asked" => soon(Heard::Unknown(words)),
        _ => None,
    }
}

fn person(text: &str) -> Option<Order> {
    let mut words = text.split_whitespace();
    let verb = match words.next()? {
        "start" => Verb::Start,
        "stop" => Verb::Stop,
        "restart" => Verb::Restart,
        "reload" => Verb::Reload,
        "hold" => Verb::Hold,
        "release" => Verb::Release,
        "reset" => Verb::Reset,
        _ => return None,
    };
    let (force, names): (Vec<&str>, Vec<&str>) = words.partition(|word| *word == "-f");
    let whom = if names.is_empty() { Whom::All } else { Whom::These(names.into_iter().map(Name::from).collect()) };
    Some(Order { verb, whom, force: !force.is_empty() })
}

fn exit_of(text: &str) -> Option<Exit> {
    let (kind, number) = text.split_once(' ')?;
    let number = number.parse().ok()?;
    match kind {
        "signal" => Some(Exit::Signal(number)),
        "code" => Some(Exit::Code(number)),
        _ => None,
    }
}

/// `well`, or a list: `ready 3s`, `never ready`, `recovers`, `dies 2s code 1`, `spawn takes 200ms`,
/// `cannot start: WORDS`, `stops 2s`, `ignores stop`, `workers stay 5s`, `unkillable`, `daemonises 1s`,
/// `check fails: WORDS`, `reload fails: WORDS`, `errands take 2s`.
fn behaviour(text: &str) -> Option<Behaviour> {
    let mut behaviour = Behaviour::default();
    for part in text.split(", ") {
        let after = |prefix: &str| part.strip_prefix(prefix);
        if part == "well" {
        } else if part == "never ready" {
            behaviour.ready_after = None;
        } else if part == "recovers" {
            behaviour.recovers = true;
        } else if part == "ignores stop" {
            behaviour.stops_after = None;
        } else if part == "unkillable" {
            behaviour.unkillable = true;
        } else if let Some(time) = after("ready ") {
            behaviour.ready_after = Some(duration(time)?);
        } else if let Some(time) = after("spawn takes ") {
            behaviour.spawn_takes = duration(time)?;
        } else if let Some(time) = after("stops ") {
            behaviour.stops_after = Some(duration(time)?);
        } else if let Some(time) = after("workers stay ") {
            behaviour.workers_stay = Some(duration(time)?);
        } else if let Some(time) = after("errands take ") {
            behaviour.errand_takes = duration(time)?;
        } else if let Some(time) = after("daemonises ") {
            behaviour.daemonises = Some(duration(time)?);
        } else if let Some(how) = after("dies ") {
            let (time, exit) = how.split_once(' ')?;
            behaviour.dies = Some((duration(time)?, exit_of(exit)?));
        } else if let Some(words) = after("cannot start: ") {
            behaviour.spawn_error = Some(Name::from(words));
        } else if let Some(words) = after("check fails: ") {
            behaviour.check_fails = Some(Name::from(words));
        } else if let Some(words) = after("reload fails: ") {
            behaviour.reload_fails = Some(Name::from(words));
        } else {
            return None;
        }
    }
    Some(behaviour)
}

/// `1500ms`, `3s`, `10m`, `2h`.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let number: u64 = text[..digits].parse().ok()?;
    match &text[digits..] {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        "h" => number.checked_mul(3_600).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "# r01: a title\n# in two lines\ndocument:\n  profile: Custom\ntimeline:\n  0s agent starts\n  1500ms person: stop -f imap pop\n  2s document\n    profile: Oracle\n  3s imap behaves: ready 3s, ignores stop\n  4s end\nexpect:\n  0.000 imap: ready\n";

    #[test]
    fn a_scenario_is_read_whole() {
        let scenario = Scenario::read(WHOLE).expect("it is well-formed");
        assert_eq!(scenario.title, "r01: a title in two lines");
        assert!(scenario.document.ends_with("spec:\n  profile: Custom\n"), "{}", scenario.document);
        assert_eq!(scenario.expected, "0.000 imap: ready\n");
        assert_eq!(scenario.timeline.len(), 5);
        assert_eq!(
            scenario.timeline[1],
            (
                Boot(1_500),
                Incident::Person(Order {
                    verb: Verb::Stop,
                    whom: Whom::These(vec!["imap".into(), "pop".into()]),
                    force: true
                })
            )
        );
        assert!(
            matches!(&scenario.timeline[2].1, Incident::Document(text) if text.ends_with("spec:\n  profile: Oracle\n"))
        );
    }

    #[test]
    fn a_line_that_means_nothing_is_named() {
        let error = Scenario::read("document:\n  profile: Custom\ntimeline:\n  5s imap explodes\n").unwrap_err();
        assert!(error.to_string().starts_with("line 4: \"5s imap explodes\""), "{error}");
        assert_eq!(Scenario::read("timeline:\n").unwrap_err(), ScenarioError::Missing("document:"));
    }
}
