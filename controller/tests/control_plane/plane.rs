//! The API server of these tests as its administrator sees it.

use hyper::Request;
use kube::Client;
use serde_json::{Value, json};

use crate::shared::{ROOT, plane};

/// What the API server answers: the object, or the words of its refusal.
pub(crate) type Answer = Result<Value, String>;

/// A client of the API server, as its administrator.
pub(crate) struct Server(Client);

impl Server {
    /// The API server, with the definition of the resource established.
    pub(crate) async fn ready() -> Self {
        let server = Self(Client::try_from(plane(&[]).config().await).expect("a client"));
        server.define(&definition()).await.expect("the definition is taken");
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

/// A resource.
pub(crate) fn object(name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "mailward.dev/v1alpha1",
        "kind": "MessagingServer",
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// The committed definition of the resource.
pub(crate) fn definition() -> String {
    let path = std::path::Path::new(ROOT).join("crds/mailward.dev_messagingservers.yaml");
    std::fs::read_to_string(path).expect("it is committed; make generate writes it")
}
