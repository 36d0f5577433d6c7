//! Each sentence of [R8] about what a round says, as a table.

use super::*;
use crate::desired::{Listener, OnHang, Probe, Protocol, Tls};
use crate::model::Health;

const NOW: Boot = Boot(1_000_000);

fn launch() -> Launch {
    let listener = |port, protocol| Listener {
        address: None,
        port: Some(port),
        socket: None,
        protocol,
        tls: Tls::None,
        probe: Probe::default(),
    };
    Launch { listeners: vec![listener(143, Protocol::Imap), listener(25, Protocol::Smtp)], ..Launch::default() }
}

fn probing(failures: u32) -> Probing {
    Probing { enabled: true, failures, pressure: 60, on_hang: OnHang::Restart, ..Probing::NONE }
}

fn answer_of(listener: u16, heard: Heard, millis: u64) -> Answer {
    Answer { listener, took: Duration::from_millis(millis), heard }
}

fn round(answers: Vec<Answer>) -> Round {
    Round { answers, ..Round::default() }
}

fn silent() -> Vec<Answer> {
    vec![answer_of(0, Heard::Silent, 10_000), answer_of(1, Heard::Served, 5)]
}

fn known() -> Probed {
    Probed { answered: true, ..Probed::default() }
}

fn judge(before: &Probed, round: &Round, probing: &Probing) -> Probed {
    let launch = launch();
    let about = Circumstances { probing, launch: &launch, now: NOW, begins_by: Boot(0), waits_for: None };
    after_round(before, round, &about)
}

#[test]
fn r08_each_answer_has_its_own_consequence() {
    let words = || Name::from("words");
    let table = [
        (Heard::Served, 10, Health::Answers),
        (Heard::Served, 5_000, Health::Answers),
        (Heard::Served, 5_001, Health::Slow),
        (Heard::Refused(words()), 10, Health::Refuses),
        (Heard::BadCertificate(words()), 10, Health::BadCertificate),
        (Heard::Violation(words()), 10, Health::Violates),
        (Heard::Unknown(words()), 10, Health::Unknown),
        (Heard::Silent, 10_000, Health::Fails),
        (Heard::NotListening(words()), 10, Health::Fails),
        (Heard::ClosedEarly(words()), 10, Health::Fails),
    ];
    for (heard, millis, expected) in table {
        let after = judge(&known(), &round(vec![answer_of(0, heard.clone(), millis)]), &probing(1));
        let kind = after.diagnosis.as_ref().map(Diagnosis::kind);
        assert_eq!(kind, Some(expected), "{heard:?} after {millis} ms");
        assert_eq!(
            after.hang.is_some(),
            expected == Health::Fails,
            "{heard:?}: only silence, refusal and a close hang"
        );
    }
}

#[test]
fn r08_one_silent_listener_suffices_and_is_named() {
    let after = judge(&known(), &round(silent()), &probing(1));
    assert_eq!(after.hang.map(|hang| hang.words.to_string()), Some("Imap 143 was silent for 10.0 s".to_owned()));
}

#[test]
fn r08_a_hang_takes_failure_threshold_rounds_in_a_row() {
    let mut probed = known();
    for number in 1..=3 {
        probed = judge(&probed, &round(silent()), &probing(3));
        assert_eq!((probed.failed, probed.hang.is_some()), (number, number == 3));
    }
    assert_eq!(&*probed.hang.expect("three rounds").words, "Imap 143 was silent for 10.0 s, 3 rounds in a row");
}

#[test]
fn r08_any_answer_ends_the_row_and_a_round_that_says_nothing_does_not() {
    let failed = judge(&known(), &round(silent()), &probing(3));
    for heard in [Heard::Served, Heard::Refused("421".into()), Heard::BadCertificate("expired".into())] {
        assert_eq!(judge(&failed, &round(vec![answer_of(0, heard, 1)]), &probing(3)).failed, 0);
    }
    let unknown = judge(&failed, &round(vec![answer_of(0, Heard::Unknown("no descriptor".into()), 1)]), &probing(3));
    assert_eq!((unknown.failed, unknown.hang), (1, None));
}

#[test]
fn r08_unknown_is_never_a_reason_to_kill_however_often() {
    let mut probed = known();
    for _ in 0..100 {
        probed = judge(&probed, &round(vec![answer_of(0, Heard::Unknown("no route".into()), 1)]), &probing(1));
    }
    assert_eq!((probed.failed, probed.hang), (0, None));
}

#[test]
fn r08_c41_pressure_of_host_or_cgroup_excuses_three_rounds_and_no_more() {
    let high = Pressure { io: 61, ..Pressure::default() };
    let edge = Pressure { io: 60, ..Pressure::default() };
    for strain in [Strain { host: high, ..Strain::default() }, Strain { cgroup: high, ..Strain::default() }] {
        let mut probed = known();
        for number in 1..=4 {
            probed = judge(&probed, &Round { answers: silent(), strain, missing: Vec::new() }, &probing(1));
            assert_eq!(probed.hang.is_some(), number == 4, "round {number}");
        }
    }
    let strain = Strain { host: edge, ..Strain::default() };
    assert!(judge(&known(), &Round { answers: silent(), strain, missing: Vec::new() }, &probing(1)).hang.is_some());
}

#[test]
fn r08_c41_pressure_excuses_a_silence_and_not_a_refused_connection() {
    let strain = Strain { host: Pressure { cpu: 100, memory: 100, io: 100 }, ..Strain::default() };
    let answers = vec![answer_of(0, Heard::NotListening("refused".into()), 1), answer_of(1, Heard::Silent, 10_000)];
    assert!(judge(&known(), &Round { answers, strain, missing: Vec::new() }, &probing(1)).hang.is_some());
}

#[test]
fn r08_c41_a_late_prober_excuses_a_silence_three_times() {
    let late = Strain { late: Duration::from_millis(5_001), ..Strain::default() };
    let by_its_word = Round { answers: silent(), strain: late, missing: Vec::new() };
    // A machine that was suspended in the middle: what should have been ten seconds took a minute.
    let by_its_deed = round(vec![answer_of(0, Heard::Silent, 60_000)]);
    for round in [by_its_word, by_its_deed] {
        let mut probed = known();
        for number in 1..=4 {
            probed = judge(&probed, &round, &probing(1));
            assert_eq!(probed.hang.is_some(), number == 4, "round {number}");
        }
    }
}

#[test]
fn r08_a_prober_that_is_late_by_half_the_time_out_excuses_nothing() {
    let late = Strain { late: Duration::from_secs(5), ..Strain::default() };
    let by_its_word = Round { answers: silent(), strain: late, missing: Vec::new() };
    let by_its_deed = round(vec![answer_of(0, Heard::Silent, 15_000)]);
    for round in [by_its_word, by_its_deed] {
        assert!(judge(&known(), &round, &probing(1)).hang.is_some());
    }
}

#[test]
fn r08_an_answer_gives_the_three_excuses_back() {
    let strain = Strain { host: Pressure { memory: 90, ..Pressure::default() }, ..Strain::default() };
    let strained = Round { answers: silent(), strain, missing: Vec::new() };
    let mut probed = known();
    for _ in 0..3 {
        probed = judge(&probed, &strained, &probing(1));
    }
    probed = judge(&probed, &round(vec![answer_of(0, Heard::Served, 1)]), &probing(1));
    assert!(judge(&probed, &strained, &probing(1)).hang.is_none());
}

#[test]
fn r08_a_missing_external_dependency_excuses_every_sign_without_end() {
    let mut probed = known();
    for _ in 0..10 {
        let missing = vec![Name::from("ldap")];
        let answers = vec![answer_of(0, Heard::NotListening("refused".into()), 1)];
        probed = judge(&probed, &Round { answers, strain: Strain::default(), missing }, &probing(1));
    }
    assert_eq!((probed.failed, probed.hang), (0, None));
}

#[test]
fn r08_who_says_that_it_is_stressed_is_believed_until_then_and_not_longer() {
    for (until, hangs) in [(NOW.0 + 1, false), (NOW.0, true)] {
        let stressed = Probed { stressed_until: Some(Boot(until)), ..known() };
        assert_eq!(judge(&stressed, &round(silent()), &probing(1)).hang.is_some(), hangs);
    }
}

#[test]
fn r08_an_answer_does_not_end_what_it_was_believed_for() {
    let stressed = Probed { stressed_until: Some(Boot(NOW.0 + 1)), ..known() };
    let served = round(vec![answer_of(0, Heard::Served, 5), answer_of(1, Heard::Served, 5)]);
    let after = judge(&stressed, &served, &probing(1));
    assert_eq!(after.stressed_until, stressed.stressed_until);
    assert!(judge(&after, &round(silent()), &probing(1)).hang.is_none());
}

#[test]
fn r08_the_start_window_holds_for_what_was_ready_before_it_answered() {
    let launch = launch();
    let (inside, over) = (Boot(NOW.0 + 1), NOW);
    for (ready_answers, answered, begins_by, hangs) in [
        (false, false, inside, false),
        (false, false, over, true),
        (false, true, inside, true),
        (true, false, inside, true),
    ] {
        let probing = Probing { ready_answers, ..probing(1) };
        let about = Circumstances { probing: &probing, launch: &launch, now: NOW, begins_by, waits_for: None };
        let after = after_round(&Probed { answered, ..Probed::default() }, &round(silent()), &about);
        assert_eq!(after.hang.is_some(), hangs, "ready means answered: {ready_answers}, answered: {answered}");
    }
}

#[test]
fn r08_the_first_answer_ends_the_start_window() {
    let (launch, probing) = (launch(), probing(1));
    let begins_by = Boot(NOW.0 + 1);
    let about = Circumstances { probing: &probing, launch: &launch, now: NOW, begins_by, waits_for: None };
    let served = round(vec![answer_of(0, Heard::Served, 5), answer_of(1, Heard::Served, 5)]);
    let answered = after_round(&Probed::default(), &served, &about);
    assert!(after_round(&answered, &round(silent()), &about).hang.is_some());
}

#[test]
fn r08_what_it_depends_on_and_is_not_ready_excuses_it() {
    let (launch, probing) = (launch(), probing(1));
    let about =
        Circumstances { probing: &probing, launch: &launch, now: NOW, begins_by: Boot(0), waits_for: Some("store") };
    assert!(after_round(&known(), &round(silent()), &about).hang.is_none());
    assert!(after_missed_watchdog(&known(), "missed", Strain::default(), &about).hang.is_none());
}

#[test]
fn r08_a_missed_watchdog_is_a_hang_at_once_unless_something_explains_it() {
    let (launch, probing) = (launch(), probing(3));
    let about =
        Circumstances { probing: &probing, launch: &launch, now: NOW, begins_by: Boot(NOW.0 + 1), waits_for: None };
    assert!(after_missed_watchdog(&Probed::default(), "missed", Strain::default(), &about).hang.is_some());
    let stressed = Probed { stressed_until: Some(Boot(NOW.0 + 1)), ..known() };
    assert!(after_missed_watchdog(&stressed, "missed", Strain::default(), &about).hang.is_none());
    let strain = Strain { host: Pressure { cpu: 99, ..Pressure::default() }, ..Strain::default() };
    assert!(after_missed_watchdog(&known(), "missed", strain, &about).hang.is_none());
}

#[test]
fn r08_a_hang_that_goes_on_is_one_hang() {
    let mut probed = judge(&known(), &round(silent()), &probing(1));
    probed.hang.as_mut().expect("it hangs").noted = true;
    let after = judge(&probed, &round(silent()), &probing(1));
    assert!(after.hang.is_some_and(|hang| hang.noted), "what was decided is not decided again");
}
