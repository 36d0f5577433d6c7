//! The API server of these tests: the operator's own objects need the controllers, its writes the audit log.

use std::collections::BTreeSet;

use kube::Client;
use serde_json::Value;

use crate::shared::Plane;
use crate::tools::KUBE;

/// What the script is told for it.
pub(crate) const WITH: [&str; 3] = ["--with", "controller-manager", "--audit"];

impl Plane {
    /// A client of the API server as somebody who may do everything; the audit log has the name.
    pub(crate) async fn client(&self, user: &str) -> Client {
        self.client_in(user, &["system:masters"]).await
    }

    /// A client as somebody in these groups.
    pub(crate) async fn client_in(&self, user: &str, groups: &[&str]) -> Client {
        let mut config = self.config().await;
        config.auth_info.impersonate = Some(user.to_owned());
        config.auth_info.impersonate_groups = Some(groups.iter().map(ToString::to_string).collect());
        Client::try_from(config).expect("a client")
    }

    /// A client that shows a token.
    pub(crate) async fn client_with_token(&self, token: &str) -> Client {
        let mut config = self.config().await;
        config.auth_info = serde_json::from_value(serde_json::json!({"token": token})).expect("as in a kubeconfig");
        Client::try_from(config).expect("a client")
    }

    /// Applies what a chart renders with these words for helm.
    pub(crate) fn apply_chart(&self, chart: &str, words: &[&str]) {
        let rendered = self.folder.with_extension(format!("{}.yaml", words.join("").replace('/', "-")));
        let all = [&["template", "mailward", chart, KUBE[0], KUBE[1]], words].concat();
        std::fs::write(&rendered, self.does("helm", &all)).expect("a file");
        self.does("kubectl", &["apply", "--server-side", "-f", rendered.to_str().expect("it is text")]);
    }

    /// Puts the first chart in force: the definition of the resource, and the policy.
    pub(crate) fn define(&self) {
        self.apply_chart("charts/mailward-crds", &[]);
        self.does("kubectl", &["wait", "--for=condition=Established", "crd/messagingservers.mailward.dev"]);
        // It is served a moment after it is established.
        while !self.run("kubectl", &["get", "messagingservers"]).status.success() {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// What somebody has written until now, leases left out: verb and object.
    pub(crate) fn writes(&self, user: &str) -> Vec<String> {
        let writes = self.asked(user).into_iter();
        let writes = writes.filter(|line| !matches!(line["verb"].as_str(), Some("get" | "list" | "watch")));
        let others = writes.filter(|line| line["objectRef"]["resource"] != "leases");
        others.map(|line| format!("{} {}", line["verb"], line["objectRef"])).collect()
    }

    /// What somebody was not allowed until now.
    pub(crate) fn forbidden(&self, user: &str) -> Vec<String> {
        let all = self.asked(user).into_iter();
        let no = all.filter(|line| {
            line["annotations"]["authorization.k8s.io/decision"] == "forbid" || line["responseStatus"]["code"] == 403
        });
        no.map(|line| format!("{} {} {}", line["verb"], line["requestURI"], line["responseStatus"]["message"]))
            .collect()
    }

    /// The namespaces that somebody's requests were about.
    pub(crate) fn namespaces_asked(&self, user: &str) -> Vec<String> {
        let all = self.asked(user).into_iter();
        let mut names: Vec<String> =
            all.map(|line| line["objectRef"]["namespace"].as_str().unwrap_or("all of them").to_owned()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// What somebody was allowed and did until now: `verb group/resource`. An apply that makes an object needs `create` too.
    pub(crate) fn rights_used(&self, user: &str) -> BTreeSet<String> {
        let mut rights = BTreeSet::new();
        for line in self.asked(user) {
            let of = |field: &str| line["objectRef"][field].as_str().unwrap_or_default();
            let mut what = format!("{}/{}", of("apiGroup"), of("resource"));
            if !of("subresource").is_empty() {
                what = format!("{what}/{}", of("subresource"));
            }
            rights.insert(format!("{} {what}", line["verb"].as_str().unwrap_or_default()));
            if line["verb"] == "patch" && line["responseStatus"]["code"] == 201 {
                rights.insert(format!("create {what}"));
            }
        }
        rights
    }

    fn asked(&self, user: &str) -> Vec<Value> {
        let log = std::fs::read_to_string(self.folder.join("log/audit.log")).expect("it audits");
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["impersonatedUser"]["username"] == user).collect()
    }
}
