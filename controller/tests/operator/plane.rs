//! The API server of these tests: the operator's own objects need the controllers, its writes the audit log.

use kube::Client;

use crate::shared::plane;

const WITH: [&str; 3] = ["--with", "controller-manager", "--audit"];

/// A client of the API server as somebody who may do everything; the audit log has the name.
pub(crate) async fn client(user: &str) -> Client {
    let mut config = plane(&WITH).config().await;
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    Client::try_from(config).expect("a client")
}

/// What somebody has written until now, leases left out: verb and object.
pub(crate) fn writes(user: &str) -> Vec<String> {
    let log = std::fs::read_to_string(plane(&WITH).folder.join("log/audit.log")).expect("it audits");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let by_user = lines.filter(|line| line["impersonatedUser"]["username"] == user);
    let writes = by_user.filter(|line| !matches!(line["verb"].as_str(), Some("get" | "list" | "watch")));
    let others = writes.filter(|line| line["objectRef"]["resource"] != "leases");
    others.map(|line| format!("{} {}", line["verb"], line["objectRef"])).collect()
}
