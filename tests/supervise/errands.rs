//! Checks and reloads.

use std::fs;
use std::time::Duration;

use mailward::desired::{Launch, Reload, Signal};
use mailward::model::{Fingerprint, Incarnation};
use mailward::plan::{Seen, Step};

use crate::stage::{Stage, sh};

fn command(script: &str) -> Vec<String> {
    ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
}

fn checked(stage: &mut Stage, launch: &Launch) -> Result<(), String> {
    stage.perform("imap", launch, &Step::Check { print: Fingerprint(7) });
    stage.until("imap", |seen| match seen {
        Seen::Checked { print, outcome } if *print == Fingerprint(7) => {
            Some(outcome.clone().map_err(|words| words.to_string()))
        }
        _ => None,
    })
}

fn reloaded(stage: &mut Stage, launch: &Launch) -> Result<(), String> {
    stage.perform("imap", launch, &Step::Reload { incarnation: Incarnation(1), files: Fingerprint(8) });
    stage.until("imap", |seen| match seen {
        Seen::Reloaded { outcome, .. } => Some(outcome.clone().map_err(|words| words.to_string())),
        _ => None,
    })
}

#[test]
fn r19_a_check_answers_with_the_checkers_own_words() {
    let mut stage = Stage::new(false);
    let check = |script: &str| Launch { check: command(script), ..sh("exit 0") };
    assert_eq!(checked(&mut stage, &check("echo fine; exit 0")), Ok(()));
    let refused = checked(&mut stage, &check("echo 'line 3: unknown setting' >&2; exit 89"));
    assert_eq!(refused, Err("/bin/sh exited with code 89; it said: line 3: unknown setting".to_owned()));
    assert_eq!(checked(&mut stage, &sh("exit 0")), Ok(()), "nothing to check is right");
    let missing = Launch { check: vec!["/no/such/checker".to_owned()], ..sh("exit 0") };
    assert!(checked(&mut stage, &missing).unwrap_err().starts_with("/no/such/checker does not exist"));
    let noisy = checked(&mut stage, &check("yes | head -c 1000000; echo; echo last; exit 1")).unwrap_err();
    assert!(noisy.ends_with("last") && noisy.len() < 3000, "{}", noisy.len());
}

#[test]
fn a_check_that_hangs_is_killed_with_its_children_and_says_so() {
    let mut stage = Stage::new(false);
    let launch = Launch {
        check: command("echo waiting; sleep 1000 & echo $! > $OUT; wait"),
        environment: vec![("OUT".to_owned(), stage.text("child"))],
        ..sh("exit 0")
    };
    let launch = Launch { check_timeout: Duration::from_millis(500), ..launch };
    let words = checked(&mut stage, &launch).unwrap_err();
    assert_eq!(words, "/bin/sh did not end within 500ms and was killed; it said: waiting");
    let child = fs::read_to_string(stage.path("child")).unwrap();
    let path = format!("/proc/{}", child.trim());
    stage.until_true("its child is gone", |_| !std::path::Path::new(&path).exists());
}

#[test]
fn r19_a_reload_is_a_signal_to_the_main_process_or_a_command() {
    let mut stage = Stage::new(false);
    let launch = Launch {
        reload: Some(Reload::Signal(Signal::Hup)),
        ..sh("trap 'echo reloaded' HUP; echo up; while :; do sleep 1000 & wait $!; done")
    };
    stage.start("imap", &launch, 1);
    stage.until_true("it is up", |s| s.host().last_lines("imap") == ["up"]);
    assert_eq!(reloaded(&mut stage, &launch), Ok(()));
    stage.until_true("it took the signal", |s| s.host().last_lines("imap") == ["up", "reloaded"]);
    let by_command = Launch { reload: Some(Reload::Command(command("kill -HUP $MAINPID"))), ..launch.clone() };
    assert_eq!(reloaded(&mut stage, &by_command), Ok(()));
    stage.until_true("it took the command", |s| s.host().last_lines("imap") == ["up", "reloaded", "reloaded"]);
    let failing = Launch { reload: Some(Reload::Command(command("echo no; exit 1"))), ..launch.clone() };
    assert_eq!(reloaded(&mut stage, &failing), Err("/bin/sh exited with code 1; it said: no".to_owned()));
    stage.kill("imap", &launch, 1);
    stage.empty("imap");
    assert_eq!(reloaded(&mut stage, &launch), Err("it does not run any more".to_owned()));
}
