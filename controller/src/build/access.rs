//! Who the agent is and what it may: its own resource and nothing besides.

use serde_json::json;

use super::names::Names;
use super::{Rendered, owned};
use crate::kinds::Kind;
use crate::validate::Validated;

pub(super) fn service_account(server: &Validated, names: &Names) -> Rendered {
    owned(server, Kind::ServiceAccount, &names.agent, json!({"automountServiceAccountToken": false}))
}

/// It reads its resource, writes that one's status and tells events. The admission policy holds it to its own entry.
pub(super) fn role(server: &Validated, names: &Names) -> Rendered {
    let name = &server.identity.name;
    let rules = json!([
        {"apiGroups": ["mailward.dev"], "resources": ["messagingservers"], "resourceNames": [name],
         "verbs": ["get", "watch"]},
        {"apiGroups": ["mailward.dev"], "resources": ["messagingservers/status"], "resourceNames": [name],
         "verbs": ["patch"]},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": ["create", "patch"]},
    ]);
    owned(server, Kind::Role, &names.agent, json!({"rules": rules}))
}

pub(super) fn role_binding(server: &Validated, names: &Names) -> Rendered {
    let fields = json!({
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": names.agent},
        "subjects": [{"kind": "ServiceAccount", "name": names.agent, "namespace": server.identity.namespace}],
    });
    owned(server, Kind::RoleBinding, &names.agent, fields)
}
