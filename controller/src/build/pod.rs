//! The pods: what runs in them, with what rights, and what of it only a new pod can have.

use mailward::model::Fingerprint;
use serde_json::{Value, json};

use super::names::Names;
use super::{Maybe, Rendered, WORKLOAD_HASH, labels, owned, selector};
use crate::kinds::Kind;
use crate::validate::Validated;

/// Where the agent answers probes and shows its metrics.
pub(super) const HEALTH_PORT: u16 = 9440;

/// Where the agent is in the container of the mail software.
const AGENT: &str = "/opt/mailward";

/// What a mail server that starts as root and changes its user needs (capabilities(7)); everything else is dropped.
const CAPABILITIES: [&str; 9] =
    ["CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID", "SYS_CHROOT"];

/// The fingerprint of everything that only a new pod can have. It is of what was asked for and not of what is rendered:
/// a newer operator, which may render it otherwise, replaces no pod for that. The agent's image, the grace period,
/// listeners and probes are no part of it.
pub fn workload_hash(server: &Validated) -> String {
    let Validated {
        identity: _,
        image,
        agent_image: _,
        replicas: _,
        data_root,
        volume,
        resources,
        mounts,
        network_policy: _,
        ports: _,
        grace: _,
        suspended: _,
    } = server;
    let root = volume.as_ref().map(|_| data_root);
    // A text of structs and not of maps: its order is that of declarations, whatever a map is built of.
    let text = serde_json::to_string(&(image, root, resources, mounts)).unwrap_or_default();
    format!("{:016x}", Fingerprint::of(text.as_bytes()).0)
}

/// The `StatefulSet`. It starts pods at once and replaces none by itself: the operator deletes those that must be new.
pub(super) fn stateful_set(server: &Validated, names: &Names) -> Rendered {
    let mut pod_labels = labels(server);
    pod_labels[WORKLOAD_HASH] = json!(workload_hash(server));
    let spec = json!({
        "replicas": server.replicas,
        "serviceName": names.headless,
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "OnDelete"},
        "revisionHistoryLimit": 2,
        "selector": {"matchLabels": selector(server)},
        "template": {"metadata": {"labels": pod_labels}, "spec": pod(server, names)},
    });
    owned(server, Kind::StatefulSet, &names.stateful_set, json!({"spec": spec}))
}

fn pod(server: &Validated, names: &Names) -> Value {
    json!({
        "serviceAccountName": names.agent,
        "automountServiceAccountToken": false,
        "enableServiceLinks": false,
        "terminationGracePeriodSeconds": server.grace,
        "securityContext": {
            "seccompProfile": {"type": "RuntimeDefault"},
            // Software that does not run as root may listen on 25 and 143.
            "sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}],
        },
        "initContainers": [agent(server)],
        "containers": [mail(server)],
        "volumes": volumes(server, names),
    })
}

/// Copies the agent to where the mail software cannot change it.
fn agent(server: &Validated) -> Value {
    json!({
        "name": "agent",
        "image": server.agent_image,
        "command": ["/mailward", "install", AGENT],
        "securityContext": {
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532,
            "capabilities": {"drop": ["ALL"]},
        },
        "volumeMounts": [{"name": "agent", "mountPath": AGENT}],
    })
}

fn mail(server: &Validated) -> Value {
    let state = match &server.volume {
        Some(_) => format!("{}/.mailward/$(MAILWARD_POD_NAME)", server.data_root.trim_end_matches('/')),
        None => "/run/mailward/state".to_owned(),
    };
    let health = format!(":{HEALTH_PORT}");
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let mut mounts = vec![
        json!({"name": "agent", "mountPath": AGENT, "readOnly": true}),
        json!({"name": "run", "mountPath": "/run/mailward"}),
        json!({"name": "api", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true}),
    ];
    if server.volume.is_some() {
        mounts.push(json!({"name": "data", "mountPath": server.data_root}));
    }
    for (at, mount) in server.mounts.iter().enumerate() {
        mounts.push(json!({"name": format!("mount-{at}"), "mountPath": &*mount.path, "readOnly": true}));
    }
    let probe = |path: &str, seconds: u32, failures: u32| {
        json!({
            "httpGet": {"path": path, "port": "health"}, "periodSeconds": seconds, "timeoutSeconds": 5,
            "failureThreshold": failures,
        })
    };
    let mut container = json!({
        "name": "mail",
        "image": server.image,
        "command": [
            format!("{AGENT}/mailward"), "run", "--from", "kubernetes", "--state-dir", state,
            "--runtime-dir", "/run/mailward", "--health", health,
        ],
        "env": [
            {"name": "MAILWARD_NAMESPACE", "value": server.identity.namespace},
            {"name": "MAILWARD_NAME", "value": server.identity.name},
            field("MAILWARD_POD_NAME", "metadata.name"),
            field("MAILWARD_POD_UID", "metadata.uid"),
            field("MAILWARD_NODE_NAME", "spec.nodeName"),
            {"name": "MAILWARD_GRACE_SECONDS", "value": server.grace.to_string()},
        ],
        "ports": [{"name": "health", "containerPort": HEALTH_PORT, "protocol": "TCP"}],
        "readinessProbe": probe("/readyz", 5, 1),
        // To kill the agent ends every service, so it is given a minute.
        "livenessProbe": probe("/livez", 10, 6),
        // Privilege escalation stays allowed: mail software has setgid programs, such as Postfix's postdrop.
        "securityContext": {"capabilities": {"drop": ["ALL"], "add": CAPABILITIES}},
        "volumeMounts": mounts,
    });
    if let Some(resources) = &server.resources {
        container["resources"] = json!(resources);
    }
    container
}

fn volumes(server: &Validated, names: &Names) -> Value {
    let mut volumes = vec![
        json!({"name": "agent", "emptyDir": {}}),
        json!({"name": "run", "emptyDir": {"medium": "Memory"}}),
        // Mode 0400: a mail user cannot read the token, which a default one lets everybody.
        json!({"name": "api", "projected": {"defaultMode": 0o400, "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]}}),
    ];
    if server.volume.is_some() {
        volumes.push(json!({"name": "data", "persistentVolumeClaim": {"claimName": names.claim}}));
    }
    for (at, mount) in server.mounts.iter().enumerate() {
        let name = format!("mount-{at}");
        if let Some(map) = &mount.config_map {
            volumes.push(json!({"name": name, "configMap": {"name": &**map, "defaultMode": 0o644}}));
        } else if let Some(secret) = &mount.secret {
            volumes.push(json!({"name": name, "secret": {"secretName": &**secret, "defaultMode": 0o400}}));
        }
    }
    json!(volumes)
}

/// With one pod it would block every drain of a node.
pub(super) fn disruption_budget(server: &Validated, names: &Names) -> Maybe {
    if server.replicas < 2 {
        return Maybe::Unwanted(Kind::DisruptionBudget, names.disruption_budget.clone());
    }
    let spec = json!({"maxUnavailable": 1, "selector": {"matchLabels": selector(server)}});
    Maybe::Wanted(owned(server, Kind::DisruptionBudget, &names.disruption_budget, json!({"spec": spec})))
}
