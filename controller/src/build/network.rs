//! How clients reach the pods.

use mailward::desired::Protocol;
use serde_json::{Value, json};

use super::names::Names;
use super::pod::HEALTH_PORT;
use super::{Maybe, Rendered, owned, selector};
use crate::kinds::Kind;
use crate::validate::{Port, Validated};

/// The Service for clients; none where nothing listens. It sends traffic to a pod that is not ready too: one service that
/// is down must not take the others away.
pub(super) fn service(server: &Validated, names: &Names) -> Maybe {
    if server.ports.is_empty() {
        return Maybe::Unwanted(Kind::Service, names.service.clone());
    }
    let ports: Vec<Value> = server.ports.iter().copied().map(port).collect();
    let spec = json!({"selector": selector(server), "ports": ports, "publishNotReadyAddresses": true});
    Maybe::Wanted(owned(server, Kind::Service, &names.service, json!({"spec": spec})))
}

fn port(port: Port) -> Value {
    // At most 15 characters (RFC 6335).
    let word = match port.protocol {
        Protocol::Imap => "imap",
        Protocol::Pop3 => "pop3",
        Protocol::Smtp => "smtp",
        Protocol::Submission => "submit",
        Protocol::Lmtp => "lmtp",
        Protocol::Http => "http",
        Protocol::ManageSieve => "sieve",
        Protocol::Tcp => "tcp",
    };
    let name = format!("{word}-{}", port.number);
    json!({"name": name, "port": port.number, "targetPort": port.number, "protocol": "TCP"})
}

/// Names of the pods, which a `StatefulSet` wants.
pub(super) fn headless(server: &Validated, names: &Names) -> Rendered {
    let health = json!([{"name": "health", "port": HEALTH_PORT, "targetPort": HEALTH_PORT, "protocol": "TCP"}]);
    let spec = json!({
        "clusterIP": "None", "selector": selector(server), "ports": health, "publishNotReadyAddresses": true,
    });
    owned(server, Kind::Service, &names.headless, json!({"spec": spec}))
}

/// Closes every port but those of the listeners and the agent's health.
pub(super) fn policy(server: &Validated, names: &Names) -> Maybe {
    if !server.network_policy {
        return Maybe::Unwanted(Kind::NetworkPolicy, names.network_policy.clone());
    }
    let numbers = server.ports.iter().map(|port| port.number).chain([HEALTH_PORT]);
    let ports: Vec<Value> = numbers.map(|number| json!({"port": number, "protocol": "TCP"})).collect();
    let spec = json!({
        "podSelector": {"matchLabels": selector(server)}, "policyTypes": ["Ingress"], "ingress": [{"ports": ports}],
    });
    Maybe::Wanted(owned(server, Kind::NetworkPolicy, &names.network_policy, json!({"spec": spec})))
}
