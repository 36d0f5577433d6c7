//! Waits for what an object says, by a watch: no test sleeps and looks again.

use std::io::BufReader;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::Value;

use crate::kubectl::Cluster;

/// How long a test waits for anything that a healthy cluster does in seconds.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

#[derive(Deserialize)]
struct Event {
    r#type: String,
    object: Value,
}

/// kubectl that watches. It ends with this.
struct Watching {
    child: Child,
    seen: Receiver<Event>,
}

impl Watching {
    fn begin(cluster: &Cluster, namespace: &str, kind: &str, name: &str) -> Self {
        // An empty name means every object of the kind.
        let selector = if name.is_empty() { String::new() } else { format!("metadata.name={name}") };
        let arguments = [
            "-n",
            namespace,
            "get",
            kind,
            "--field-selector",
            &selector,
            "-o",
            "json",
            "--watch",
            "--output-watch-events",
        ];
        let mut child = cluster
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("kubectl");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (sender, seen) = channel();
        thread::spawn(move || {
            for event in serde_json::Deserializer::from_reader(output).into_iter::<Event>() {
                let Ok(mut event) = event else { return };
                // Nobody reads who owns which field, least of all in the words of a test that failed.
                if let Some(Value::Object(metadata)) = event.object.get_mut("metadata") {
                    metadata.remove("managedFields");
                }
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Self { child, seen }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended with the API server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Watches one object until it is as wanted, and returns it as it was then. It need not exist yet, and the API server may
/// go away and come back meanwhile.
///
/// # Panics
/// When that does not come in time, with what was last seen.
pub(crate) fn until(
    cluster: &Cluster,
    [namespace, kind, name]: [&str; 3],
    limit: Duration,
    mut wanted: impl FnMut(&Value) -> bool,
) -> Value {
    let end = Instant::now() + limit;
    let mut last = None;
    loop {
        let watching = Watching::begin(cluster, namespace, kind, name);
        loop {
            match watching.seen.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(Event { r#type, .. }) if r#type == "DELETED" => last = None,
                Ok(Event { object, .. }) if wanted(&object) => return object,
                Ok(Event { object, .. }) => last = Some(object),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("{kind} {name} is not as wanted after {limit:?}; last seen: {:#}", last.unwrap_or_default())
                }
            }
        }
        assert!(Instant::now() < end, "nobody can be asked about {kind} {name} for {limit:?}; last seen: {last:#?}");
    }
}

/// Asks again and again, where nothing can be watched.
///
/// # Panics
/// When that does not come in time.
pub(crate) fn poll(what: &str, mut wanted: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !wanted() {
        assert!(Instant::now() < end, "{what}: not after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(100));
    }
}
