//! What others may not: another account of the cluster, an agent towards its peers, a mail user in the pod.

use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use crate::parts::writers;
use crate::server::{AGENT, Server, text};

const TOKEN: &str = "/var/run/secrets/kubernetes.io/serviceaccount/token";

#[test]
fn r26_an_agent_writes_its_own_entry_and_nothing_else_and_other_accounts_nothing_at_all() {
    let server = Server::new("rights");
    server.apply(&writers());
    server.ready();
    let here = server.namespace.name();
    let object = server.object(&json!({"profile": "Custom", "services": [], "workload": {"image": "none:1"}}));
    let mut other = object.clone();
    other["metadata"]["name"] = json!("other");
    server.namespace.apply(&other);

    let refused = |who: &[&str], arguments: &[&str], words: &str| {
        let said = server.namespace.refused(&[&["-n", here], who, arguments].concat(), "");
        assert!(said.contains(words), "{who:?} {arguments:?}: {said}");
    };
    // As an agent writes; the words for it, and what.
    let write = ["apply", "--server-side", "--force-conflicts", "--field-manager=x", "--subresource=status", "-f", "-"];
    let refused_write = |who: &str, name: &str, status: &Value, words: &str| {
        let object = json!({
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer",
            "metadata": {"name": name, "namespace": here}, "status": status,
        });
        let said = server.namespace.refused(&[&["-n", here, who], &write[..]].concat(), &object.to_string());
        assert!(said.contains(words), "{who} {object}: {said}");
    };
    let peer = json!({"name": "rights-1", "agentPid": 1, "agentVersion": "1", "observedGeneration": 1, "services": []});
    let peer = json!({"instances": [peer]});

    // An account without any rights, and the agent's own without the proof of its pod.
    for account in ["default", "rights-mailward"] {
        let user = format!("--as=system:serviceaccount:{here}:{account}");
        refused(&[&user], &["get", "secrets"], "forbidden");
        refused(&[&user], &["get", "pods"], "forbidden");
        refused(&[&user], &["create", "configmap", "x"], "forbidden");
        refused_write(&user, "other", &peer, "cannot patch resource");
    }
    let user = format!("--as=system:serviceaccount:{here}:rights-mailward");
    refused_write(&user, "rights", &peer, "an agent shows the token of its pod");

    // With the pod's own token, as somebody who broke into it has it.
    let token = format!("--token={}", server.shell(&format!("cat {TOKEN}")));
    let ready = json!({
        "type": "Ready", "status": "True", "reason": "AllReady", "message": "", "observedGeneration": 1,
        "lastTransitionTime": "2026-11-26T12:00:00Z",
    });
    refused_write(&token, "rights", &peer, "an agent writes the entry of its own pod and no other");
    refused_write(&token, "rights", &json!({"conditions": [ready]}), "the conditions are the operator's");
    refused_write(&token, "rights", &json!({"observedGeneration": 99}), "the observed generation is the operator's");
    refused_write(&token, "other", &peer, "cannot patch resource");
    refused(&[&token], &["get", "secrets"], "forbidden");
    refused(&[&token], &["delete", "pod", "rights-0"], "forbidden");
}

#[test]
fn r26_a_mail_user_in_the_pod_cannot_read_the_token_replace_the_agent_or_give_it_orders_and_nobody_can_from_outside() {
    let server = Server::new("inside");
    server.apply(&writers());
    let before = server.ready();
    let says = |words: &str| server.shell(&format!("({words}) 2>&1; echo code $?"));
    let mail = "setpriv --reuid=mail --regid=mail --clear-groups";
    for (words, refusal) in [
        (format!("{mail} cat {TOKEN}"), "Permission denied"),
        (format!("{mail} rm -f {AGENT}"), "Read-only file system"),
        (format!("cp /bin/true {AGENT}"), "Read-only file system"),
        (format!("MAILWARD_SOCKET=/run/mailward/control.sock {mail} {AGENT} status"), "you may not ask the agent"),
        (format!("MAILWARD_SOCKET=/run/mailward/control.sock {mail} {AGENT} stop a"), "you may not ask the agent"),
        (format!("{mail} bash -c 'kill -9 1'"), "ermitted"),
    ] {
        let said = says(&words);
        assert!(said.contains(refusal) && !said.contains("code 0"), "{words}: {said}");
    }

    // From outside: health and listeners, and nothing that takes an order.
    let pod = text(&server.namespace.get("pod", &server.pod()), "/status/podIP");
    let at = |port| SocketAddr::from((pod.parse::<IpAddr>().expect("an address"), port));
    for (method, path) in [("GET", "/v1/status"), ("POST", "/v1/orders")] {
        let answer = crate::talk::http(at(9440), method, path);
        assert!(answer.contains(" 404 ") || answer.contains(" 405 "), "{method} {path}: {answer}");
    }
    assert!(crate::talk::http(at(9440), "GET", "/livez").contains(" 200 "));
    let watcher = TcpStream::connect_timeout(&at(49994), Duration::from_secs(5));
    assert!(watcher.is_err(), "the watcher's port is open to the cluster");
    let after = server.ready();
    assert_eq!(after["status"]["instances"], before["status"]["instances"], "nothing of it had an effect");
}
