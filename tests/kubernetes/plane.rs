//! One control plane for all tests: etcd and kube-apiserver, by the project's own script.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use kube::api::{Api, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use kube::{Client, Config};
use serde_json::{Value, json};

/// The API server, and who we are to it.
pub(crate) struct Plane {
    runtime: tokio::runtime::Runtime,
    pub(crate) client: Client,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    kubeconfig: Value,
    folder: PathBuf,
    _guard: Child,
}

/// Started by whoever comes first; it ends with the test program.
pub(crate) fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(Plane::start)
}

impl Plane {
    /// One that no other test uses: it may be frozen and stopped.
    pub(crate) fn alone() -> &'static Self {
        Box::leak(Box::new(Self::start()))
    }

    fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("mwplane").tempdir_in("/tmp").unwrap().keep();
        let guard = end_with_us(&folder);
        cluster(&["control-plane", "--audit"], &folder);
        let folder = folder.join("plane");
        let text = fs::read_to_string(folder.join("kubeconfig")).unwrap();
        let kubeconfig: Value = serde_saphyr::from_str(&text).unwrap();
        let server = kubeconfig["clusters"][0]["cluster"]["server"].as_str().unwrap();
        let address = server.trim_start_matches("https://").trim_end_matches('/').parse().unwrap();
        let token = kubeconfig["users"][0]["user"]["token"].as_str().unwrap_or_default().to_owned();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let read = Kubeconfig::from_yaml(&text).unwrap();
            let config = Config::from_custom_kubeconfig(read, &KubeConfigOptions::default()).await.unwrap();
            Client::try_from(config).unwrap()
        });
        let plane = Self { runtime, client, address, token, kubeconfig, folder, _guard: guard };
        plane.install_definition();
        plane
    }

    /// The resource without any rule: what an agent does about documents that the real one refuses at the door is seen
    /// only so.
    fn install_definition(&self) {
        let anything = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let instances = json!({
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } },
                       "x-kubernetes-preserve-unknown-fields": true },
        });
        let status = json!({ "type": "object", "properties": { "instances": instances },
                             "x-kubernetes-preserve-unknown-fields": true });
        let definition = json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": { "name": "messagingservers.mailward.dev" },
            "spec": {
                "group": "mailward.dev", "scope": "Namespaced",
                "names": { "kind": "MessagingServer", "plural": "messagingservers", "singular": "messagingserver" },
                "versions": [{
                    "name": "v1alpha1", "served": true, "storage": true, "subresources": { "status": {} },
                    "schema": { "openAPIV3Schema": { "type": "object", "properties": { "spec": anything, "status": status } } },
                }],
            },
        });
        let of =
            ApiResource::from_gvk(&GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition"));
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &of);
        let object = serde_json::from_value(definition).unwrap();
        self.wait_for(api.create(&PostParams::default(), &object)).unwrap();
        let until = std::time::Instant::now() + crate::pod::PATIENCE;
        let served: Api<DynamicObject> = Api::all_with(self.client.clone(), &of_ours());
        while self.wait_for(served.list(&kube::api::ListParams::default())).is_err() {
            assert!(std::time::Instant::now() < until, "the resource is not served");
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
    }

    /// `freeze`, `thaw`, `stop` or `start` of the API server.
    pub(crate) fn server(&self, verb: &str) {
        let status = script().args([verb.as_ref(), self.folder.as_os_str(), "apiserver".as_ref()]).status();
        assert!(status.is_ok_and(|status| status.success()), "{verb}");
    }

    /// How often the API server was asked to write the status of a resource of this namespace, by its own audit log.
    pub(crate) fn status_writes(&self, namespace: &str) -> usize {
        let log = fs::read_to_string(self.folder.join("log/audit.log")).unwrap_or_default();
        let is_one = |line: &&str| {
            let entry: Value = serde_json::from_str(line).unwrap_or_default();
            let object = &entry["objectRef"];
            entry["verb"] == "patch" && object["subresource"] == "status" && object["namespace"] == namespace
        };
        log.lines().filter(is_one).count()
    }

    /// What an account was allowed and did until now, as `verb resource`, by the audit log.
    pub(crate) fn rights_used(&self, user: &str) -> BTreeSet<String> {
        let log = fs::read_to_string(self.folder.join("log/audit.log")).unwrap_or_default();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let allowed = lines.filter(|line| line["user"]["username"] == *user && line["responseStatus"]["code"] != 403);
        let rights = allowed.map(|line| {
            let of = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (object, part) = (&line["objectRef"], of(&line["objectRef"]["subresource"]));
            let slash = if part.is_empty() { "" } else { "/" };
            format!("{} {}{slash}{part}", of(&line["verb"]), of(&object["resource"]))
        });
        rights.collect()
    }

    pub(crate) fn wait_for<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A namespace nobody else has.
    pub(crate) fn namespace(&self) -> String {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("post-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let api: Api<k8s_openapi::api::core::v1::Namespace> = Api::all(self.client.clone());
        let object = serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap();
        self.wait_for(api.create(&PostParams::default(), &object)).unwrap();
        name
    }

    pub(crate) fn resources(&self, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), namespace, &of_ours())
    }

    /// The kubeconfig with the API server at another address, which leads to the same.
    pub(crate) fn kubeconfig_at(&self, address: SocketAddr) -> String {
        self.changed(|config| config["clusters"][0]["cluster"]["server"] = json!(format!("https://{address}")))
    }

    /// One that trusts another authority than the server's.
    pub(crate) fn kubeconfig_of_a_stranger(&self, address: SocketAddr) -> String {
        let stranger = rcgen::generate_simple_self_signed(["stranger".to_owned()]).unwrap().cert.pem();
        let path = self.folder.join("stranger.pem");
        fs::write(&path, stranger).unwrap();
        self.changed(|config| {
            let cluster = &mut config["clusters"][0]["cluster"];
            cluster["server"] = json!(format!("https://{address}"));
            cluster.as_object_mut().unwrap().remove("certificate-authority-data");
            cluster.as_object_mut().unwrap().remove("insecure-skip-tls-verify");
            cluster["certificate-authority"] = json!(path);
        })
    }

    /// One whose token is in a file.
    pub(crate) fn kubeconfig_with_token_file(&self, address: SocketAddr, token: &Path) -> String {
        self.changed(|config| {
            config["clusters"][0]["cluster"]["server"] = json!(format!("https://{address}"));
            config["users"][0]["user"] = json!({ "tokenFile": token });
        })
    }

    fn changed(&self, change: impl FnOnce(&mut Value)) -> String {
        let mut config = self.kubeconfig.clone();
        change(&mut config);
        // JSON is YAML.
        config.to_string()
    }
}

/// The project's script.
fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/cluster"))
}

/// Runs the script with these words and the folder of the control plane behind the first of them.
fn cluster(words: &[&str], folder: &Path) {
    let status = script().arg(words[0]).arg(folder.join("plane")).args(&words[1..]).status();
    assert!(status.is_ok_and(|status| status.success()), "{words:?}: the control plane does not do it: see above");
}

/// What is static is never dropped: a process that reads from us ends the control plane when we are gone, however.
fn end_with_us(folder: &Path) -> Child {
    let words = r#"read -r _; "$0" down "$1/plane"; rm -rf "$1""#;
    let mut guard = Command::new("/bin/sh");
    guard.args(["-c", words]).arg(script().get_program()).arg(folder);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
}

fn of_ours() -> ApiResource {
    let kind = GroupVersionKind::gvk("mailward.dev", "v1alpha1", "MessagingServer");
    ApiResource::from_gvk_with_plural(&kind, "messagingservers")
}
