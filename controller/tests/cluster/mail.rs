//! A mail server from `kubectl apply` to a message that was read, and the files of its software.

use serde_json::{Value, json};

use crate::parts::{configure_dovecot, dovecot_and_postfix, receive, send};
use crate::server::{Server, pid, says};
use crate::talk::Talk;
use crate::watch::poll;

fn ports(service: &Value) -> Vec<i64> {
    let ports = service.pointer("/spec/ports").and_then(Value::as_array);
    ports.into_iter().flatten().filter_map(|port| port["port"].as_i64()).collect()
}

#[test]
fn r25_the_sample_is_applied_becomes_ready_and_takes_a_message_by_smtp_and_gives_it_by_imap_through_its_service() {
    let server = Server::new("mail");
    let mut spec = dovecot_and_postfix(&server);
    server.apply(&spec);
    let first = server.ready();
    assert!(says(&first, "WorkloadCurrent", "True", "Current"), "{first:#}");
    assert!(says(&first, "Degraded", "False", "None"), "{first:#}");
    let (address, uid) = (server.address(), server.uid());
    send(&address, "by way of the Service");
    receive(&address, "by way of the Service");

    // A listener less: the Service follows, and the pod stays.
    assert_eq!(ports(&server.namespace.get("service", "mail")), [25, 143, 587]);
    spec["services"][1]["listeners"] = json!([{"port": 25, "protocol": "Smtp"}]);
    server.apply(&spec);
    server.namespace.until("service", "mail", |service| ports(service) == [25, 143]);
    let second = server.ready();
    assert_eq!((server.uid(), pid(&second, "dovecot")), (uid.clone(), pid(&first, "dovecot")));

    // Another file in the ConfigMap: the software takes it over without a restart.
    configure_dovecot(&server, "login_greeting = good evening");
    poll("the greeting is the new one", || Talk::through(&address, 143).1.contains("good evening"));
    let third = server.ready();
    assert_eq!((server.uid(), pid(&third, "dovecot")), (uid, pid(&first, "dovecot")));
    assert_eq!(server.container_restarts(), 0);
}
