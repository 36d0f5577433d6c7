//! Many resources at once.

use serde_json::{Value, json};

use crate::installed::installed;
use crate::namespace::Namespace;
use crate::parts::IMAGE;

const MANY: usize = 50;

#[test]
fn r27_fifty_resources_that_are_created_at_once_become_ready() {
    installed();
    let namespace = Namespace::new("many");
    let service = json!({"name": "a", "command": ["/bin/sleep", "infinity"]});
    let spec = json!({"profile": "Custom", "services": [service], "workload": {"image": IMAGE}});
    let items: Vec<Value> = (0..MANY)
        .map(|number| {
            json!({
                "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer",
                "metadata": {"name": format!("mail-{number}")}, "spec": spec,
            })
        })
        .collect();
    namespace.apply(&json!({"apiVersion": "v1", "kind": "List", "items": items}));
    namespace.kubectl_here(&["wait", "ms", "--all", "--for=condition=Ready", "--timeout=180s"]);
    let ready = "{range .items[?(@.status.servicesReady=='1/1')]}{.metadata.name}{'\\n'}{end}";
    let names = namespace.kubectl_here(&["get", "ms", "-o", &format!("jsonpath={ready}")]);
    assert_eq!(names.lines().count(), MANY, "{names}");
}
