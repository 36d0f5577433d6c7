//! A mail server to which nothing happens.

use std::net::{IpAddr, SocketAddr};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::parts::dovecot_and_postfix;
use crate::server::{Server, text};
use crate::talk::http;
use crate::watch::poll;

#[test]
fn r21_an_idle_resource_keeps_its_resource_version_for_two_minutes_whatever_its_probes_do() {
    let server = Server::new("at-rest");
    let mut spec = dovecot_and_postfix(&server);
    spec["probes"] = json!({"period": "10s"});
    server.apply(&spec);
    server.ready();
    let pod = text(&server.namespace.get("pod", &server.pod()), "/status/podIP");
    let health = SocketAddr::from((pod.parse::<IpAddr>().expect("an address"), 9440));
    poll("it is probed", || http(health, "GET", "/metrics").contains("mailward_probe_seconds{service=\"postfix\""));
    let settled = server.namespace.get("ms", server.name);
    thread::sleep(Duration::from_mins(2));
    let after = server.namespace.get("ms", server.name);
    assert_eq!(text(&after, "/metadata/resourceVersion"), text(&settled, "/metadata/resourceVersion"), "{after:#}");
}
