//! The control plane of these tests: one for all of them, which goes with this process.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

struct Plane {
    folder: PathBuf,
    /// Ends the servers when its standard input ends, which is when this process does, however that comes.
    _janitor: Child,
}

fn plane() -> &'static Plane {
    static PLANE: OnceLock<Plane> = OnceLock::new();
    PLANE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder").keep().join("plane");
        let script = Path::new(ROOT).join(".ci/cluster");
        let janitor = Command::new("sh")
            .args(["-c", "read -r _; \"$0\" down \"$1\" >/dev/null 2>&1; rm -rf \"${1%/plane}\""])
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
        command.arg("control-plane").arg(&folder).args(["--with", "controller-manager", "--audit"]);
        command.stdout(out.try_clone().expect("twice")).stderr(out);
        let good = command.status().expect("the script is there").success();
        assert!(good, "no control plane: {}", std::fs::read_to_string(&log).unwrap_or_default());
        Plane { folder, _janitor: janitor }
    })
}

/// A client of the API server as somebody who may do everything; the audit log has the name.
pub(crate) async fn client(user: &str) -> Client {
    let file = Kubeconfig::read_from(plane().folder.join("kubeconfig")).expect("the script wrote it");
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("it is good");
    config.auth_info.impersonate = Some(user.to_owned());
    config.auth_info.impersonate_groups = Some(vec!["system:masters".to_owned()]);
    Client::try_from(config).expect("a client")
}

/// What somebody has written until now, leases left out: verb and object.
pub(crate) fn writes(user: &str) -> Vec<String> {
    let log = std::fs::read_to_string(plane().folder.join("log/audit.log")).expect("it audits");
    let lines = log.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let by_user = lines.filter(|line| line["impersonatedUser"]["username"] == user);
    let writes = by_user.filter(|line| !matches!(line["verb"].as_str(), Some("get" | "list" | "watch")));
    let others = writes.filter(|line| line["objectRef"]["resource"] != "leases");
    others.map(|line| format!("{} {}", line["verb"], line["objectRef"])).collect()
}

/// The committed definition of the resource.
pub(crate) fn definition() -> serde_json::Value {
    let path = Path::new(ROOT).join("crds/mailward.dev_messagingservers.yaml");
    let text = std::fs::read_to_string(path).expect("it is committed; make generate writes it");
    serde_saphyr::from_str(&text).expect("it is YAML")
}
