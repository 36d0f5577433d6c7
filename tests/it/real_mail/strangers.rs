//! Servers that a person started by hand are in the place of ours.

use std::process::{Command, Stdio};

use super::server::pair;
use crate::agent::house::said;
use crate::processes::{Process, family};
use crate::running::eventually;

#[test]
fn r05_a_dovecot_and_a_postfix_started_by_hand_are_named_never_signalled_and_nothing_is_started_beside_them() {
    let mut server = pair();
    let dovecot = server.document.service("dovecot").unwrap().command.clone();
    let postfix = server.document.service("postfix").unwrap().command.clone();
    let mut by_hand = Command::new(&dovecot[0]);
    by_hand.args(&dovecot[1..]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut by_hand = by_hand.spawn().unwrap();
    let etc = &postfix[2];
    assert_eq!(said_by(&[&postfix[0], "-c", etc, "start"]), 0);
    let mut strangers = Vec::new();
    let dovecot_pid = by_hand.id().cast_signed();
    eventually("they serve", || {
        let master = server.read("m/postfix/queue/pid/master.pid").trim().parse().ok()?;
        strangers = [dovecot_pid, master].map(Process::of).into_iter().collect::<Option<_>>()?;
        server.try_carries("by strangers").then_some(())
    });
    let family_of_dovecot = family(dovecot_pid).len();

    server.house.start();
    let named = |name: &str, pid: i32| {
        server.until(&format!("{name} is named"), |status| status.reason(name).contains(&format!("(pid {pid})")))
    };
    named("postfix", strangers[1].pid);
    let status = named("dovecot", dovecot_pid);
    assert_eq!((status.pid("dovecot"), status.pid("postfix"), status.pid("web")), (None, None, None));
    for name in ["dovecot", "postfix"] {
        server.run(&["stop", "--force", name]);
        server.run(&["start", "--no-wait", name]);
        server.run(&["restart", "--force", "--no-wait", name]);
        assert_eq!(server.times(&format!("{name} Started")), 0);
    }
    assert!(strangers.iter().all(Process::lives) && family_of_dovecot > 1);
    assert!(server.try_carries("still by strangers"));

    assert_eq!(said_by(&["/usr/bin/doveadm", "-c", &dovecot[3], "stop"]), 0);
    assert!(by_hand.wait().unwrap().success());
    assert_eq!(said_by(&[&postfix[0], "-c", etc, "stop"]), 0);
    eventually("both are gone", || strangers.iter().all(|process| !process.lives()).then_some(()));
    server.does(&["start"]);
    server.all_ready();
    server.carries("by ours");
}

fn said_by(words: &[&str]) -> i32 {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).stdin(Stdio::null());
    said(command).code
}
