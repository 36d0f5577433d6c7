//! Pods that end, one way or another, and what comes after them.

use std::fs;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::parts::{NEXT_IMAGE, book, writer, writers};
use crate::server::{Server, condition, pid, says, service};

/// What a pod with the writers is given to stop: three times 30 s, one after the other, and what is left to spare.
const GRACE: Duration = Duration::from_mins(5);

/// Processes of a pod whose command line has these words, as the machine numbers them.
pub(crate) fn processes(uid: &str, words: &str) -> Vec<Pid> {
    let numbers = fs::read_dir("/proc").expect("it is mounted").flatten();
    let numbers = numbers.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let is_it = |number: &i32| {
        let read = |file: &str| fs::read(format!("/proc/{number}/{file}")).unwrap_or_default();
        // The kubelet names the folders of a pod's cgroups by its uid.
        let text = |file| String::from_utf8_lossy(&read(file)).replace('\0', " ");
        text("cgroup").contains(&format!("pod{uid}")) && text("cmdline").contains(words)
    };
    numbers.filter(is_it).filter_map(Pid::from_raw).collect()
}

/// Kills such a process from outside of the pod.
pub(crate) fn kill(uid: &str, words: &str) {
    let found = processes(uid, words);
    let [process] = found[..] else { panic!("{words:?} in pod {uid}: {found:?}") };
    kill_process(process, Signal::KILL).expect("it lives");
}

#[test]
fn r29_a_deleted_pod_stops_in_order_within_its_grace_and_the_next_one_starts_in_order_and_uncharged() {
    let server = Server::new("ends");
    server.apply(&writers());
    server.ready();
    let first = server.uid();
    let starts = ["+a", "+b", "+c"];
    let stops = ["-c", "-b", "-a"];
    let begun = Instant::now();
    server.namespace.delete("pod", &server.pod());
    assert!(begun.elapsed() < GRACE, "{:?}", begun.elapsed());
    assert_eq!(book(&server), [starts, stops].concat());
    server.another_pod(&first);
    let next = server.until("the next pod is told of", |object| {
        object.pointer("/status/instances/0/podUID") != Some(&json!(first)) && pid(object, "c").is_some()
    });
    assert_eq!(next["status"]["instances"].as_array().map(Vec::len), Some(1), "what the dead pod said is gone");
    assert_eq!(next["status"]["restartsInWindow"], 0);
    server.ready();
    let second = server.uid();

    // By force: Kubernetes forgets it at once, whatever it still does.
    server.namespace.kubectl_here(&["delete", "pod", &server.pod(), "--grace-period=0", "--force", "--wait=false"]);
    server.another_pod(&second);
    server.until("the third pod is told of", |object| {
        object.pointer("/status/instances/0/podUID") != Some(&json!(second)) && pid(object, "c").is_some()
    });
    server.ready();
    let (third, length) = (server.uid(), book(&server).len());

    // The agent itself is killed, and with it, as the first process of the container, everything in it.
    kill(&third, "mailward run --from kubernetes");
    server.namespace.until("pod", &server.pod(), |pod| {
        pod.pointer("/status/containerStatuses/0/restartCount") == Some(&json!(1))
            && pod.pointer("/status/containerStatuses/0/ready") == Some(&json!(true))
    });
    assert_eq!(book(&server)[length..], starts, "in order, and nothing was asked to stop");
    let after = server.ready();
    assert_eq!((server.uid(), &after["status"]["restartsInWindow"]), (third, &json!(0)));
}

#[test]
fn r29_a_stop_of_more_than_a_minute_has_the_time_that_was_worked_out_for_it() {
    let server = Server::new("slow-stop");
    let mut spec = writers();
    let mut slow = writer("slow", &[], 70);
    slow["stopTimeout"] = json!("100s");
    spec["services"] = json!([slow]);
    server.apply(&spec);
    server.ready();
    let pod = server.namespace.get("pod", &server.pod());
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], GRACE.as_secs());
    let uid = server.uid();
    server.namespace.delete("pod", &server.pod());
    assert_eq!(book(&server), ["+slow", "-slow"], "it was not killed");
    server.another_pod(&uid);
    server.ready();
}

#[test]
fn r30_suspended_nothing_is_restarted_or_rolled_until_it_is_over() {
    let server = Server::new("suspend");
    server.apply(&writers());
    let before = server.ready();
    let uid = server.uid();
    server.patch(&json!({"suspend": true}));
    server.until("it is suspended", |object| says(object, "Suspended", "True", "Suspended"));
    server.crash("a");
    server.until("it is down", |object| service(object, "a")["ready"] == "False");
    server.patch(&json!({"workload": {"image": NEXT_IMAGE}}));
    let waits = server.until("the roll waits", |object| says(object, "WorkloadCurrent", "False", "RollPending"));
    assert_eq!((server.uid(), service(&waits, "a")["ready"].as_str()), (uid.clone(), Some("False")));
    server.patch(&json!({"suspend": false}));
    server.another_pod(&uid);
    let after = server.ready();
    assert_ne!(after.pointer("/status/instances/0/podUID"), before.pointer("/status/instances/0/podUID"));
    assert!(says(&after, "Suspended", "False", "Running"), "{after:#}");
}

#[test]
fn r29_a_deleted_resource_stops_in_order_and_its_old_pod_cannot_make_a_new_one_of_that_name_ready() {
    let server = Server::new("deleted");
    let mut spec = writers();
    // It takes its time, so that the next resource meets its pod.
    let services = spec["services"].as_array_mut().expect("a list");
    services.push(writer("d", &[], 5));
    server.apply(&spec);
    server.ready();
    let old = server.uid();
    server.namespace.delete("ms", server.name);
    server.apply(&spec);
    let next = server.until("the new one is ready", |object| {
        let ready = condition(object, "Ready")["status"] == "True";
        let entries = object.pointer("/status/instances").and_then(Value::as_array);
        let is_old = entries.into_iter().flatten().any(|entry| entry["podUID"] == *old);
        assert!(!(ready && is_old), "the old pod made it ready: {object:#}");
        ready
    });
    assert_ne!(next.pointer("/status/instances/0/podUID"), Some(&json!(old)));
    let book = book(&server);
    let at = |line: &str| book.iter().position(|it| it == line).unwrap_or_else(|| panic!("no {line} in {book:?}"));
    assert!(at("-c") < at("-b") && at("-b") < at("-a"), "{book:?}");
    // Never two at once: all of the old one has ended before anything of the new one begins.
    let second = book.iter().rposition(|it| it == "+a").expect("it runs");
    assert!(["-a", "-b", "-c", "-d"].into_iter().all(|line| at(line) < second), "{book:?}");

    server.namespace.delete("ms", server.name);
    server.namespace.gone("pod", &server.pod());
    server.namespace.gone("statefulset", server.name);
    let claim = server.namespace.get("pvc", &format!("{}-data", server.name));
    assert_eq!(claim.pointer("/status/phase"), Some(&json!("Bound")), "nobody but a person deletes mail");
}
