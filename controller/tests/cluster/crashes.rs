//! Crashes inside of a pod: answered there, without Kubernetes.

use crate::parts::{oracle_shaped, receive, send};
use crate::server::{Server, condition, pid, says, service, text};

#[test]
fn r08_a_killed_imap_restarts_its_group_in_place_and_a_second_crash_gives_up_while_smtp_answers_on() {
    let server = Server::new("oracle");
    server.apply(&oracle_shaped(&server));
    let before = server.ready();
    assert_eq!(before["status"]["servicesReady"], "7/7");
    let (address, uid) = (server.address(), server.uid());
    send(&address, "before the crash");
    receive(&address, "before the crash");

    // The first: the store and its clients restart, the MTA does not.
    let killed = server.crash("imap");
    let after = server.until("the group was restarted", |object| {
        ["store", "imap", "pop", "http"]
            .iter()
            .all(|name| pid(object, name).is_some_and(|now| Some(now) != pid(&before, name)))
    });
    for name in ["dispatcher", "job_controller", "sched"] {
        assert_eq!(pid(&after, name), pid(&before, name), "{name} is not of the group");
    }
    assert_ne!(pid(&after, "imap"), Some(killed));
    server.event("ServiceFailed", "imap");
    server.event("GroupRestarted", "imap");
    server.ready();
    receive(&address, "before the crash");
    assert_eq!((server.container_restarts(), server.uid()), (0, uid.clone()), "nothing of it was Kubernetes' doing");

    // The second, which the budget of one does not hold.
    server.crash("imap");
    let given_up = server.until("it gave up", |object| says(object, "Stalled", "True", "GaveUp"));
    assert!(says(&given_up, "Ready", "False", "ServicesNotReady"), "{given_up:#}");
    assert!(says(&given_up, "Reconciling", "False", "Settled"), "{given_up:#}");
    assert_eq!(service(&given_up, "imap")["gaveUp"], true);
    // In the words of `why`, everywhere.
    let why = server.mailward(&["why", "imap"]);
    let first = why.lines().next().expect("it says why").trim_end_matches('.');
    assert!(first.contains("gave up: more than 1 automatic restart(s) would fall within 1200 s"), "{why}");
    for kind in ["Ready", "Stalled"] {
        let words = text(condition(&given_up, kind), "/message");
        assert!(words.contains(first), "{kind}: {words}");
    }
    let told = server.event("GaveUp", "imap");
    assert!(why.contains(told.trim_start_matches("imap: ")), "{why}: {told}");
    send(&address, "while imap is down");
    assert_eq!((server.container_restarts(), server.uid()), (0, uid));

    // A person resets it, and the message that came meanwhile is there.
    server.mailward(&["reset", "imap"]);
    server.ready();
    receive(&address, "while imap is down");
}
