//! Health over HTTP ([R30]).

use serde_json::json;

use crate::pod::Server;

#[test]
fn r30_health_is_read_only_and_says_what_the_required_services_do() {
    let mut server = Server::new();
    let optional = json!({ "name": "spare", "command": ["/bin/sh", "-c", "exit 1"], "required": false });
    server.create(&json!({ "services": [server.writer("a"), optional], "autorestart": { "maxRestarts": 1 } }));
    server.start();
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(server.get(path).unwrap().0, 200, "{path}");
    }
    for path in ["/", "/v1/status", "/v1/orders"] {
        assert_eq!(server.get(path).unwrap().0, 404, "{path}");
    }
    server.eventually("the give-up", || {
        (server.metric("mailward_service_gave_up{service=\"spare\"}") > 0.5).then_some(())
    });
    assert_eq!(server.get("/readyz").unwrap().0, 200, "what is not required does not count");
    assert!((server.metric("mailward_services_wanted") - 2.0).abs() < f64::EPSILON);
    assert!((server.metric("mailward_document_generation") - 1.0).abs() < f64::EPSILON);
    server.order("stop", "a");
    server.eventually("not ready", || (server.get("/readyz")?.0 == 503).then_some(()));
    assert_eq!(server.get("/livez").unwrap().0, 200);
}
