//! The commands of probes.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mailward::desired::Launch;
use mailward::model::{Exit, Identity, Inquiry, InquiryEnd, Name};

use crate::stage::{Stage, sh, with_and_without_cgroups};

/// What is waited for comes within milliseconds; only what must hang reaches a limit, and has a short one.
const LONG: Duration = Duration::from_secs(30);
const SHORT: Duration = Duration::from_millis(300);

/// A service that stays, with this probe.
fn asked_by(script: &str) -> Launch {
    Launch { probe: ["/bin/sh", "-c", script].map(str::to_owned).to_vec(), ..sh("exec sleep 1000") }
}

fn begin(stage: &mut Stage, launch: &Launch, limit: Duration) {
    stage.host().inquire(&Name::from("imap"), &Arc::new(launch.clone()), limit);
}

/// The next end that is told.
fn end(stage: &mut Stage) -> Inquiry {
    let mut told = Vec::new();
    stage.until_true("a probe's end", |stage| {
        told.extend(stage.host().inquiries());
        !told.is_empty()
    });
    assert_eq!(told.len(), 1, "{told:?}");
    let (name, inquiry) = told.remove(0);
    assert_eq!(&*name, "imap");
    inquiry
}

fn inquiry(stage: &mut Stage, launch: &Launch, limit: Duration) -> Inquiry {
    begin(stage, launch, limit);
    end(stage)
}

fn is_gone(stage: &mut Stage, file: &str) {
    let pid = fs::read_to_string(stage.path(file)).unwrap();
    let path = format!("/proc/{}", pid.trim());
    stage.until_true("it is gone", |_| !Path::new(&path).exists());
}

#[test]
fn r08_a_probes_command_tells_its_exit_and_the_last_of_what_it_wrote() {
    with_and_without_cgroups(|stage| {
        let launch = asked_by("echo fine; exit 0");
        stage.start("imap", &launch, 1);
        let good = inquiry(stage, &launch, LONG);
        assert_eq!((good.end, good.said.as_slice()), (InquiryEnd::Exited(Exit::Code(0)), b"fine\n".as_slice()));
        let noisy = asked_by("yes | head -c 1000000; echo; echo 'no greeting' >&2; exit 2");
        let bad = inquiry(stage, &noisy, LONG);
        assert_eq!(bad.end, InquiryEnd::Exited(Exit::Code(2)));
        assert!(bad.said.ends_with(b"no greeting\n") && bad.said.len() <= 2048, "{} bytes", bad.said.len());
        let killed = inquiry(stage, &asked_by("kill -SEGV $$"), LONG);
        assert_eq!(killed.end, InquiryEnd::Exited(Exit::Signal(11)));
    });
}

#[test]
fn r08_a_probes_command_has_the_user_the_environment_and_the_main_process_of_its_service() {
    with_and_without_cgroups(|stage| {
        let environment = vec![("PLACE".to_owned(), "here".to_owned())];
        let script = "echo $(id -un) $PLACE $MAINPID";
        let launch = Launch { user: Some("nobody".to_owned()), environment, ..asked_by(script) };
        let main = stage.start("imap", &launch, 1);
        let said = inquiry(stage, &launch, LONG).said;
        assert_eq!(String::from_utf8_lossy(&said), format!("nobody here {}\n", main.pid));
    });
}

#[test]
fn r08_c11_a_probes_command_that_hangs_is_killed_with_its_children_when_its_time_is_over() {
    with_and_without_cgroups(|stage| {
        let environment = vec![("OUT".to_owned(), stage.text("child"))];
        let launch = Launch { environment, ..asked_by("echo asking; sleep 1000 & echo $! > $OUT; wait") };
        stage.start("imap", &launch, 1);
        let hung = inquiry(stage, &launch, SHORT);
        assert!(matches!(hung.end, InquiryEnd::Overdue(_)), "{:?}", hung.end);
        assert_eq!((hung.took, hung.said.as_slice()), (SHORT, b"asking\n".as_slice()));
        is_gone(stage, "child");
        assert!(stage.host().main("imap").is_some(), "the service itself is left alone");
    });
}

#[test]
fn r08_a_child_that_holds_the_output_open_delays_nothing_and_ends_with_its_probe() {
    with_and_without_cgroups(|stage| {
        let environment = vec![("OUT".to_owned(), stage.text("child"))];
        let launch = Launch { environment, ..asked_by("sleep 1000 & echo $! > $OUT; echo done; exit 0") };
        stage.start("imap", &launch, 1);
        assert_eq!(inquiry(stage, &launch, LONG).end, InquiryEnd::Exited(Exit::Code(0)));
        is_gone(stage, "child");
    });
}

#[test]
fn r08_in_its_cgroup_what_leaves_the_session_of_its_probe_ends_with_it_too() {
    let mut stage = Stage::new(true);
    let environment = vec![("OUT".to_owned(), stage.text("child"))];
    let script = "setsid sh -c 'echo $$ > $OUT; exec sleep 1000' & while [ ! -s $OUT ]; do :; done; exit 0";
    let launch = Launch { environment, ..asked_by(script) };
    stage.start("imap", &launch, 1);
    assert_eq!(inquiry(&mut stage, &launch, LONG).end, InquiryEnd::Exited(Exit::Code(0)));
    is_gone(&mut stage, "child");
}

#[test]
fn r08_c13_a_probes_command_that_cannot_be_run_says_why_and_nothing_of_the_service() {
    with_and_without_cgroups(|stage| {
        let launch = |probe: &str| Launch { probe: vec![probe.to_owned()], ..sh("exec sleep 1000") };
        stage.start("imap", &launch("/no/such/check"), 1);
        let mut words = |probe: &str| match inquiry(stage, &launch(probe), LONG).end {
            InquiryEnd::CutOff(words) => words.to_string(),
            other => panic!("{probe}: {other:?}"),
        };
        assert!(words("/no/such/check").starts_with("/no/such/check does not exist"));
        let denied = words("/etc/passwd");
        assert!(denied.contains("/etc/passwd"), "{denied}");
    });
}

/// A service whose command runs for ever; the command's pid is in `child`.
fn hangs(stage: &mut Stage) -> (Launch, Identity) {
    let environment = vec![("OUT".to_owned(), stage.text("child"))];
    let launch = Launch { environment, ..asked_by("echo $$ > $OUT; exec sleep 1000") };
    let identity = stage.start("imap", &launch, 1);
    begin(stage, &launch, LONG);
    let path = stage.path("child");
    stage.until_true("it runs", |_| fs::read_to_string(&path).is_ok_and(|text| text.ends_with('\n')));
    (launch, identity)
}

#[test]
fn r08_never_two_commands_of_one_service_at_once_and_none_outlives_it() {
    with_and_without_cgroups(|stage| {
        let (launch, _) = hangs(stage);
        let second = inquiry(stage, &launch, LONG);
        assert_eq!(second.end, InquiryEnd::CutOff("its last run has not ended yet".into()));
        stage.kill("imap", &launch, 1);
        assert_eq!(end(stage).end, InquiryEnd::CutOff("the service ended meanwhile".into()));
        is_gone(stage, "child");
        assert_eq!(inquiry(stage, &launch, LONG).end, InquiryEnd::CutOff("the service does not run any more".into()));
    });
}

#[test]
fn r05_what_a_killed_agent_left_of_a_probe_ends_before_the_next_one_begins() {
    let mut stage = Stage::new(true);
    let (hanging, identity) = hangs(&mut stage);
    stage.new_host(true);
    let recorded =
        mailward::supervise::Recorded { incarnation: mailward::model::Incarnation(1), identity: Some(identity) };
    stage.look("imap", &hanging, Some(recorded));
    let good = Launch { environment: hanging.environment.clone(), ..asked_by("exit 0") };
    assert_eq!(inquiry(&mut stage, &good, LONG).end, InquiryEnd::Exited(Exit::Code(0)));
    is_gone(&mut stage, "child");
}

#[test]
fn r08_an_agent_that_leaves_its_services_leaves_no_command_of_a_probe() {
    with_and_without_cgroups(|stage| {
        hangs(stage);
        stage.host.take().unwrap().leave();
        stage.new_host(true);
        is_gone(stage, "child");
    });
}
