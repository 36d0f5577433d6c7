//! What a round of probes says of a service: an answer, a sign of a hang, or nothing at all ([R8]).
//!
//! Silence over the time-out, a refused connection and a close before the greeting are signs of a hang; whatever the
//! service says is an answer. A sign counts unless something else explains it: what the prober could not find out, what
//! the service needs and lacks, its own word that it is stressed, its start window, and, three times at most, pressure
//! or a late prober. Called when a round is taken in; whether a hang has consequences is the planner's affair.

use std::fmt::Write as _;
use std::time::Duration;

use crate::desired::{Launch, Probing};
use crate::model::{Answer, Boot, Diagnosis, Heard, Name, Pressure, Round, Strain};
use crate::observed::{Hang, Probed};

/// How many failed rounds pressure or a late prober may excuse before the service has answered again ([R8]).
pub const STRAINED_ROUNDS: u32 = 3;
/// How long a service that says that it is stressed is believed ([R8]; Oracle's `stressperiod`).
pub const STRESS_BELIEVED: Duration = Duration::from_secs(20);

/// What is known of a service beside the round.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// How it is probed.
    pub probing: &'a Probing,
    /// Where it listens.
    pub launch: &'a Launch,
    /// When the round is judged.
    pub now: Boot,
    /// Until when it may begin to answer.
    pub begins_by: Boot,
    /// Something it depends on, or that a hang of it would restart, which is not ready.
    pub waits_for: Option<&'a str>,
}

/// What is known of the probes of a service after one round more.
pub fn after_round(before: &Probed, round: &Round, about: &Circumstances<'_>) -> Probed {
    let signs = signs(&round.answers, about.launch);
    if signs.is_empty() {
        let diagnosis = answer(&round.answers, about);
        let mut after = before.clone();
        if diagnosis.is_answer() {
            after = Probed { answered: true, stressed_until: before.stressed_until, ..Probed::default() };
        }
        after.diagnosis = Some(diagnosis);
        return after;
    }
    after_sign(before, signs, excuse(before, round, about), about.probing.failures)
}

/// The same after it missed its `sd_notify` watchdog: no row of rounds is waited for, since the service had promised
/// a sign of life, and it was ready when it did.
pub fn after_missed_watchdog(before: &Probed, words: &str, strain: Strain, about: &Circumstances<'_>) -> Probed {
    let round = Round { answers: Vec::new(), strain, missing: Vec::new() };
    let begun = Probed { answered: true, ..before.clone() };
    after_sign(before, words.to_owned(), excuse(&begun, &round, about), 1)
}

fn after_sign(before: &Probed, signs: String, excuse: Option<Excuse>, enough: u32) -> Probed {
    let mut after = before.clone();
    if let Some(Excuse { words, strain }) = excuse {
        after.strained += u32::from(strain);
        after.diagnosis = Some(Diagnosis::Excused(Name::from(format!("{signs}; {words}"))));
        return after;
    }
    after.failed = after.failed.saturating_add(1);
    let rounds = after.failed;
    let words = if rounds == 1 { Name::from(signs) } else { Name::from(format!("{signs}, {rounds} rounds in a row")) };
    if rounds >= enough && after.hang.is_none() {
        after.hang = Some(Hang { words: words.clone(), noted: false });
    }
    after.diagnosis = Some(Diagnosis::Fails(words));
    after
}

/// The signs of a hang, in words; empty where there is none. One silent listener suffices.
fn signs(answers: &[Answer], launch: &Launch) -> String {
    let mut words = String::new();
    for answer in in_order(answers) {
        let seen = match &answer.heard {
            Heard::Silent => format!("was silent for {}", seconds(answer.took)),
            Heard::NotListening(why) => format!("takes no connection ({why})"),
            Heard::ClosedEarly(why) => format!("closed before its greeting ({why})"),
            Heard::Served | Heard::Refused(_) | Heard::BadCertificate(_) | Heard::Violation(_) | Heard::Unknown(_) => {
                continue;
            }
        };
        let separator = if words.is_empty() { "" } else { ", " };
        // Writing to a string cannot fail.
        let _ = write!(words, "{separator}{} {seen}", listener(launch, answer));
    }
    words
}

/// What a round without a sign of a hang says: what could not be asked comes first, then the worst answer.
fn answer(answers: &[Answer], about: &Circumstances<'_>) -> Diagnosis {
    let say = |answer: &Answer, words: &str| Name::from(format!("{}: {words}", listener(about.launch, answer)));
    let mut refused = None;
    let mut violation = None;
    let mut certificate = None;
    let mut slow = None;
    for answer in in_order(answers) {
        match &answer.heard {
            Heard::Unknown(words) => return Diagnosis::Unknown(say(answer, words)),
            Heard::Refused(words) => drop(refused.get_or_insert_with(|| Diagnosis::Refuses(say(answer, words)))),
            Heard::Violation(words) => drop(violation.get_or_insert_with(|| Diagnosis::Violates(say(answer, words)))),
            Heard::BadCertificate(words) => {
                certificate.get_or_insert_with(|| Diagnosis::BadCertificate(say(answer, words)));
            }
            Heard::Served if answer.took > about.probing.warning => {
                let took = format!("took {}, more than {}", seconds(answer.took), seconds(about.probing.warning));
                slow.get_or_insert_with(|| Diagnosis::Slow(say(answer, &took)));
            }
            Heard::Served | Heard::Silent | Heard::NotListening(_) | Heard::ClosedEarly(_) => {}
        }
    }
    let nothing = if answers.is_empty() {
        Diagnosis::Unknown(Name::from("it has no listener and no command that can be asked"))
    } else {
        Diagnosis::Answers
    };
    refused.or(violation).or(certificate).or(slow).unwrap_or(nothing)
}

/// Why a sign of a hang does not count.
struct Excuse {
    words: String,
    /// Whether it is one of those that may be used three times.
    strain: bool,
}

fn excuse(before: &Probed, round: &Round, about: &Circumstances<'_>) -> Option<Excuse> {
    let lasting = |words: String| Some(Excuse { words, strain: false });
    if let Some(name) = about.waits_for {
        return lasting(format!("{name} is not ready"));
    }
    if let Some(name) = round.missing.first() {
        return lasting(format!("{name}, which it needs, does not answer"));
    }
    if before.stressed_until.is_some_and(|until| about.now < until) {
        return lasting("it says that it is stressed".to_owned());
    }
    if !before.answered && !about.probing.ready_answers && about.now < about.begins_by {
        return lasting(format!("it has until {} to begin to answer", about.begins_by));
    }
    // Who refuses or closes has been reached: neither pressure nor a late prober explains that.
    let only_silent = round.answers.iter().all(|answer| match &answer.heard {
        Heard::NotListening(_) | Heard::ClosedEarly(_) => false,
        Heard::Silent
        | Heard::Served
        | Heard::Refused(_)
        | Heard::BadCertificate(_)
        | Heard::Violation(_)
        | Heard::Unknown(_) => true,
    });
    if only_silent { excuse_of_strain(before, round, about) } else { None }
}

fn excuse_of_strain(before: &Probed, round: &Round, about: &Circumstances<'_>) -> Option<Excuse> {
    if before.strained >= STRAINED_ROUNDS {
        return None;
    }
    let burden = |whose: &str, pressure: Pressure| {
        let (resource, share) = pressure.worst();
        (share > about.probing.pressure).then(|| format!("{whose} is under pressure ({resource} {share} %)"))
    };
    // How long a silent listener was waited for also tells how late the prober was.
    let waited = round.answers.iter().filter(|answer| answer.heard == Heard::Silent).map(|answer| answer.took);
    let overslept = waited.max().unwrap_or_default().saturating_sub(about.probing.timeout);
    let late = round.strain.late.max(overslept);
    burden("the host", round.strain.host)
        .or_else(|| burden("its cgroup", round.strain.cgroup))
        .or_else(|| (late > about.probing.timeout / 2).then(|| format!("the prober itself was {} late", seconds(late))))
        .map(|words| Excuse {
            words: format!("{words}; excused {} of {STRAINED_ROUNDS} times", before.strained + 1),
            strain: true,
        })
}

fn in_order(answers: &[Answer]) -> Vec<&Answer> {
    let mut sorted: Vec<&Answer> = answers.iter().collect();
    sorted.sort_by_key(|answer| answer.listener);
    sorted
}

fn listener(launch: &Launch, answer: &Answer) -> String {
    launch.question(answer.listener).unwrap_or_else(|| "a listener".to_owned())
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests;
