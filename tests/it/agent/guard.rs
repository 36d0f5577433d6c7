//! `mailward guard`: a command that is a store client without knowing it.

use std::process::{Child, Command, Stdio};

use rustix::process::Signal;

use super::clients::STORE;
use super::house::{House, is_alive, said, services, signal_to};
use crate::running::eventually;

fn guarded(house: &House, script: &str) -> Command {
    let mut command = house.command(&["guard", "--", "/bin/sh", "-c", script]);
    command.arg(house.path(""));
    command
}

/// The client of this house as its status shows it.
fn client(house: &House) -> i32 {
    let pid = || house.status().0["status"]["instances"][0]["clients"][0]["pid"].as_i64();
    eventually("a client", || pid().and_then(|pid| i32::try_from(pid).ok()))
}

fn spawn(house: &House, script: &str) -> Child {
    guarded(house, script).stdout(Stdio::null()).spawn().unwrap()
}

#[test]
fn r14_a_guarded_command_is_passed_through_and_its_good_end_concerns_nobody() {
    let house = House::started(&services(&STORE));
    let before = house.all_ready().pids();
    let ended = said(guarded(&house, "echo out; echo err >&2; exit 3"));
    assert_eq!((ended.code, &*ended.out, &*ended.err), (3, "out\n", "err\n"));
    assert_eq!(house.run(&["guard", "--", "true"]).code, 0);
    let missing = house.run(&["guard", "--", "/no/such/program"]);
    assert!(missing.code == 127 && missing.err.contains("/no/such/program"), "{missing:?}");
    let not = house.run(&["guard", "--", house.path("svc").to_str().unwrap()]);
    assert_eq!(not.code, 126, "{not:?}");
    assert_eq!(house.status().pids(), before);
    assert_eq!(house.times("store GroupRestarts"), 0, "{:?}", house.history());
    assert_eq!(house.times("watcher Client"), 8, "each registered and said goodbye: {:?}", house.history());
}

#[test]
fn r14_a_guarded_command_that_is_killed_restarts_the_stores_services_and_its_status_says_so() {
    let house = House::started(&services(&STORE));
    let before = house.all_ready();
    let mut guard = spawn(&house, "sleep 1000 & wait");
    signal_to(client(&house), Signal::KILL);
    assert_eq!(eventually("its end", || guard.try_wait().unwrap()).code(), Some(128 + 9));
    house.again("store", before.pid("store").unwrap());
    assert_eq!(house.times("store GroupRestarts"), 1);
}

#[test]
fn r14_a_signal_to_the_guard_reaches_the_command() {
    let house = House::started(&services(&STORE));
    house.all_ready();
    let mut guard =
        spawn(&house, "trap 'echo got > $0/got; exit 7' USR1; echo up > $0/up; while :; do sleep 0.05; done");
    house.has("up");
    let command = client(&house);
    signal_to(i32::try_from(guard.id()).unwrap(), Signal::USR1);
    assert_eq!(eventually("its end", || guard.try_wait().unwrap()).code(), Some(7));
    assert!(house.path("got").exists() && !is_alive(command));
    assert_eq!(house.times("store GroupRestarts"), 0);
}

#[test]
fn r14_the_terminal_is_the_commands_own_and_ctrl_c_comes_once() {
    let house = House::started(&services(&STORE));
    house.all_ready();
    // `script` gives a terminal, and what it reads is typed there: the third character of a terminal is ctrl-C. That goes
    // to the shell around the command too; the code is asked of it, as `script` may see the terminal's end before its own
    // child's, and then knows none.
    let script = "trap 'echo INT >> $0/ints' INT; test -t 0 && test -t 1 && echo tty > $0/tty; echo up > $0/up; while ! test -e $0/go; do sleep 0.05; done; exit 5";
    house.put("run.sh", script);
    let program = crate::running::program();
    let line = format!(
        "trap : INT; {program} guard --name terminal -- /bin/sh -c \"$(cat {dir}/run.sh)\" {dir}; echo $? > {dir}/code",
        program = program.display(),
        dir = house.path("").display()
    );
    // What a shell puts into the background ignores INT, which no shell below it may trap again.
    let mut command = Command::new("env");
    command
        .args(["--default-signal=INT", "script", "-qc", &line, "/dev/null"])
        .env("MAILWARD_SOCKET", house.path("run/control.sock"));
    let mut terminal = command.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().expect("script is installed");
    house.has("up");
    std::io::Write::write_all(terminal.stdin.as_mut().unwrap(), b"\x03").unwrap();
    house.has("ints");
    house.put("go", "");
    eventually("its end", || terminal.try_wait().unwrap());
    assert_eq!(["tty", "ints", "code"].map(|file| house.read(file)), ["tty\n", "INT\n", "5\n"]);
}

#[test]
fn r14_without_an_agent_the_command_runs_and_that_is_said() {
    let house = House::new(&services(&STORE));
    let ended = said(guarded(&house, "echo out; exit 4"));
    assert_eq!((ended.code, &*ended.out), (4, "out\n"));
    assert!(ended.err.contains("sh runs unguarded: no agent watches"), "{ended:?}");
    let killed = said(guarded(&house, "kill -SEGV $$"));
    assert_eq!(killed.code, 128 + 11, "{killed:?}");
}
