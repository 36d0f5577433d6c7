//! The control plane of these tests: one for all of them, which goes with this process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use hyper::Request;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};

pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// An API server that runs.
struct Plane {
    folder: PathBuf,
    /// Ends the servers when its standard input ends, which is when this process does, however that comes.
    _janitor: Child,
}

fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep();
        let script = Path::new(ROOT).join(".ci/cluster");
        let janitor = Command::new("sh")
            .args(["-c", "read -r _; \"$0\" down \"$1\" >/dev/null 2>&1; rm -rf \"$1\" \"$1.log\""])
            .args([&script, &folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        // The servers inherit it, so it is a file and no pipe.
        let log = folder.with_extension("log");
        let out = File::create(&log).expect("a log");
        let mut command = Command::new(script);
        command.arg("control-plane").arg(&folder).stdout(out.try_clone().expect("twice")).stderr(out);
        let good = command.status().expect("the script is there").success();
        assert!(good, "no control plane: {}", std::fs::read_to_string(&log).unwrap_or_default());
        Plane { folder, _janitor: janitor }
    })
}

/// What the API server answers: the object, or the words of its refusal.
pub(crate) type Answer = Result<Value, String>;

/// A client of the API server, as its administrator.
pub(crate) struct Server(Client);

impl Server {
    /// The API server, with the definition of the resource established.
    pub(crate) async fn ready() -> Self {
        let path = plane().folder.join("kubeconfig");
        let file = Kubeconfig::read_from(path).expect("the script wrote it");
        let config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("it is good");
        let server = Self(Client::try_from(config).expect("a client"));
        server.define(&crd()).await.expect("the definition is taken");
        server.until_served().await;
        server
    }

    /// Puts a definition of the resource in force.
    pub(crate) async fn define(&self, text: &str) -> Answer {
        let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/messagingservers.mailward.dev\
            ?fieldManager=test&force=true&fieldValidation=Strict";
        self.ask("PATCH", path, "application/apply-patch+yaml", text.as_bytes()).await
    }

    /// Asks once.
    pub(crate) async fn ask(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body.to_vec());
        match self.0.request::<Value>(request.expect("a request")).await {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err(status.message.clone()),
            Err(error) => panic!("{method} {path}: {error}"),
        }
    }

    /// What `kubectl get -o wide` is given for one resource.
    pub(crate) async fn table(&self, path: &str) -> Value {
        let request = Request::get(path).header("accept", "application/json;as=Table;v=v1;g=meta.k8s.io");
        self.0.request(request.body(Vec::new()).expect("a request")).await.expect("it is there")
    }

    /// The resource is served a moment after its definition is established.
    async fn until_served(&self) {
        while self.0.request::<Value>(get(&resources("default"))).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    }
}

fn get(path: &str) -> Request<Vec<u8>> {
    Request::get(path).body(Vec::new()).expect("a request")
}

/// The resources of a namespace.
pub(crate) fn resources(namespace: &str) -> String {
    format!("/apis/mailward.dev/v1alpha1/namespaces/{namespace}/messagingservers")
}

/// The committed definition.
pub(crate) fn crd() -> String {
    let path = Path::new(ROOT).join("crds/mailward.dev_messagingservers.yaml");
    std::fs::read_to_string(path).expect("it is committed; make generate writes it")
}

/// A resource.
pub(crate) fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "mailward.dev/v1alpha1",
        "kind": "MessagingServer",
        "metadata": {"name": name},
        "spec": spec,
    })
}
