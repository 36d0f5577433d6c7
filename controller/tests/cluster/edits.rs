//! Changes of a document: what is applied in place, what rolls, and what is refused.

use serde_json::{Value, json};

use crate::parts::{NEXT_IMAGE, book, writer, writers};
use crate::server::{Server, condition, pid, says, service, text};

/// The writers with the scheduler and a task, and words that an editor finds.
fn spec() -> Value {
    let mut spec = writers();
    let services = spec["services"].as_array_mut().expect("a list");
    services[2]["environment"] = json!([{"name": "MOOD", "value": "calm"}]);
    services.push(json!({"name": "sched", "command": ["mailward", "sched"], "readiness": {"type": "Notify"}}));
    spec["schedule"] = json!([{"name": "tidy", "crontab": "0 3 * * *", "command": ["/bin/true"]}]);
    spec
}

fn pids(object: &Value) -> Vec<(&'static str, Option<u64>)> {
    ["a", "b", "c", "sched"].map(|name| (name, pid(object, name))).to_vec()
}

#[test]
fn r25_an_edit_restarts_only_what_it_touches_and_one_that_is_refused_touches_nothing() {
    let server = Server::new("edits");
    server.apply(&spec());
    let first = server.ready();
    let uid = server.uid();
    assert_eq!(book(&server), ["+a", "+b", "+c"]);

    server.edit("s/value: calm/value: brisk/");
    let second = server.again("c", pid(&first, "c"));
    assert_eq!(pids(&second)[..2], pids(&first)[..2]);
    server.edit("s/maxRestarts: 5/maxRestarts: 6/");
    let third = server.accepted(3);
    server.edit("s/0 3 \\* \\* \\*/30 4 * * */");
    let fourth = server.until("the crontab is told", |object| {
        object.pointer("/status/instances/0/tasks/0/crontab") == Some(&json!("30 4 * * *"))
    });
    // A longer stop reaches the next pod; the one that runs keeps what it was made with.
    server.edit("s/^    name: b$/    name: b\\n    stopTimeout: 300s/");
    let fifth = server
        .until("the grace period is told", |object| says(object, "WorkloadCurrent", "False", "GracePeriodPending"));
    for object in [&third, &fourth, &fifth] {
        assert_eq!(pids(object), pids(&second));
    }

    // At the door, in our words.
    let mut unknown = spec();
    unknown["services"][1]["dependsOn"] = json!(["nobody"]);
    let words = server.namespace.apply_refused(&server.object(&unknown));
    assert!(words.contains("dependsOn names services of this document or its profile"), "{words}");
    let words = server.namespace.apply_refused(&server.object(&json!({"profile": "Custom", "timeZone": 7})));
    assert!(words.contains("timeZone"), "{words}");

    // Past it: what no schema can say.
    let mut cycle = spec();
    cycle["services"][0]["dependsOn"] = json!(["c"]);
    server.apply(&cycle);
    let refused = server.rejected("wait for each other");
    assert_eq!(pids(&refused), pids(&second));
    assert!(says(&refused, "Degraded", "True", "RunsPreviousConfiguration"), "{refused:#}");
    let mut never = spec();
    never["schedule"][0]["crontab"] = json!("0 3 31 2 *");
    server.apply(&never);
    let refused = server.rejected("tidy");
    assert_eq!(pids(&refused), pids(&second));
    server.event("ConfigRejected", "the document was refused");
    assert_eq!((server.uid(), server.container_restarts()), (uid.clone(), 0));
    assert_eq!(book(&server), ["+a", "+b", "+c", "-c", "+c"]);

    // The last good document is on the volume: the next pod has it too.
    server.namespace.delete("pod", &server.pod());
    server.another_pod(&uid);
    let next = server.until("the next pod runs what was good", |object| {
        service(object, "c")["ready"] == "True" && object.pointer("/status/instances/0/podUID") != Some(&json!(uid))
    });
    assert!(text(condition(&next, "ConfigValid"), "/message").contains("tidy"), "{next:#}");
    assert_eq!(book(&server)[5..], ["-c", "-b", "-a", "+a", "+b", "+c"]);
    server.apply(&spec());
    server.ready();
}

#[test]
fn r25_another_image_rolls_after_an_ordered_stop_and_a_bad_one_is_told_and_heals_with_a_good_one() {
    let server = Server::new("images");
    server.apply(&writers());
    server.ready();
    let uid = server.uid();
    server.patch(&json!({"workload": {"image": NEXT_IMAGE}}));
    server.until("it says so", |object| says(object, "Reconciling", "True", "RollingWorkload"));
    let pod = server.another_pod(&uid);
    assert_eq!(text(&pod, "/spec/containers/0/image"), NEXT_IMAGE);
    let rolled = server.ready();
    assert!(says(&rolled, "WorkloadCurrent", "True", "Current"), "{rolled:#}");
    assert_eq!(book(&server), ["+a", "+b", "+c", "-c", "-b", "-a", "+a", "+b", "+c"]);
    server.event("WorkloadRolled", &server.pod());

    server.patch(&json!({"workload": {"image": "docker.io/local/none:1"}}));
    let stalled = server.until("the image is missed", |object| says(object, "Stalled", "True", "ImageError"));
    assert!(text(condition(&stalled, "Stalled"), "/message").contains("docker.io/local/none:1"), "{stalled:#}");
    server.patch(&json!({"workload": {"image": NEXT_IMAGE}}));
    server.ready();
    assert_eq!(book(&server)[9..], ["-c", "-b", "-a", "+a", "+b", "+c"]);
}

#[test]
fn r29_a_stop_that_takes_longer_than_the_pod_was_made_for_is_completed_when_the_operator_deletes_it() {
    let server = Server::new("long-stop");
    let mut spec = writers();
    // A minute is what a pod with these services is given, and 45 s of it what they are; this one takes 50 s to stop.
    spec["services"] = json!([writer("slow", &[], 50)]);
    server.apply(&spec);
    server.ready();
    let uid = server.uid();
    let of = |pod: &Value, path: &str| pod.pointer(path).and_then(Value::as_i64);
    let pod = server.namespace.get("pod", &server.pod());
    assert_eq!(of(&pod, "/spec/terminationGracePeriodSeconds"), Some(60));

    spec["services"][0]["stopTimeout"] = json!("100s");
    spec["workload"]["image"] = json!(NEXT_IMAGE);
    server.apply(&spec);
    let going = server.namespace.until("pod", &server.pod(), |pod| pod["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(of(&going, "/metadata/deletionGracePeriodSeconds"), Some(300));
    let next = server.another_pod(&uid);
    assert_eq!(of(&next, "/spec/terminationGracePeriodSeconds"), Some(300));
    server.ready();
    assert_eq!(book(&server), ["+slow", "-slow", "+slow"], "it was not killed");
}

#[test]
fn r24_active_standby_is_refused_in_words_and_nothing_is_made_for_it() {
    let server = Server::new("standby");
    let mut spec = writers();
    spec["highAvailability"] = json!({"mode": "ActiveStandby"});
    spec["autorestart"]["onGiveUp"] = json!("Failover");
    spec["workload"]["replicas"] = json!(2);
    spec["workload"]["storage"]["accessMode"] = json!("ReadWriteMany");
    server.apply(&spec);
    let refused = server.rejected("ActiveStandby is not offered in this release");
    assert!(says(&refused, "ConfigValid", "False", "RuleBroken"), "{refused:#}");
    assert_eq!(server.namespace.kubectl_here(&["get", "statefulsets,pods,pvc", "-o", "name"]), "");
}
