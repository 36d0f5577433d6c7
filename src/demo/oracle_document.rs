//! The demo's document: the Oracle profile with stand-ins as its programs.

use std::io;
use std::path::Path;
use std::time::Duration;

use super::document_text::{DocumentText, Listen, ServiceText};
use super::ports::pick_free_ports;
use super::standin::Place;
use super::{Address, PASSWORD, USER};

/// The ports of a demo server, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OraclePorts {
    /// IMAP.
    pub imap: u16,
    /// POP3.
    pub pop: u16,
    /// The page.
    pub http: u16,
    /// The dispatcher's SMTP.
    pub smtp: u16,
    /// The dispatcher's submission.
    pub submission: u16,
    /// Where the job controller takes the dispatcher's call.
    pub job_controller: u16,
    /// `spec.watcher.port`.
    pub watcher: u16,
}

impl OraclePorts {
    /// Free ones.
    ///
    /// # Errors
    /// What bind(2) reports when there are none.
    pub fn pick() -> io::Result<Self> {
        let ports = pick_free_ports(7)?;
        match ports[..] {
            [imap, pop, http, smtp, submission, job_controller, watcher] => {
                Ok(Self { imap, pop, http, smtp, submission, job_controller, watcher })
            }
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }
}

/// Makes the folders of a stand-in server below `root`, with [`USER`] and its mailbox.
///
/// # Errors
/// What the file system reports.
pub fn prepare(root: &Path) -> io::Result<()> {
    std::fs::create_dir_all(root.join("server"))?;
    Place::new(&root.join("data")).prepare(&[(USER, PASSWORD)])
}

/// The document of a stand-in server below `root`; `program` is the `mailward` binary. `recovery` is how long the
/// store says `init`.
pub fn oracle_document(root: &Path, program: &Path, ports: OraclePorts, recovery: Duration) -> DocumentText {
    DocumentText {
        about: vec![
            "A demo mail server in a temporary folder, on free ports of 127.0.0.1.".to_owned(),
            "Its services are stand-ins: small servers that are part of mailward.".to_owned(),
            "Edit and save: the agent watches this file.".to_owned(),
        ],
        name: "demo".to_owned(),
        profile: "Oracle",
        server_root: root.join("server"),
        data_root: root.join("data"),
        fields: spec_fields(ports.watcher),
        services: oracle_services(&root.join("data"), program, ports, recovery),
    }
}

/// The scheduler is the real one; the tasks of the profile, whose programs a demo lacks, are off but for one that takes a
/// while to find nothing.
const SCHEDULE: &str = "[{name: expire, command: [/bin/sh, -c, sleep 3; echo nothing has expired]}, \
    {name: snapshotverify, enabled: false}, {name: purge, enabled: false}, {name: return_job, enabled: false}]";

/// What every Oracle-shaped demo says beside its services: the profile's default leaves autorestart off, and a demo
/// wants to show it. Window and budget are the profile's: 600 s, one restart.
pub(super) fn spec_fields(watcher: u16) -> Vec<(&'static str, String)> {
    vec![
        ("autorestart", "{enabled: true}".to_owned()),
        ("watcher", format!("{{enabled: true, port: {watcher}}}")),
        // Whatever cluster manager owns this host, it does not own the demo.
        ("highAvailability", "{mode: None}".to_owned()),
        ("schedule", SCHEDULE.to_owned()),
    ]
}

/// The stand-ins of an Oracle-shaped server, in start order. Dependencies, the store group and the time-outs come from
/// the profile.
pub fn oracle_services(data: &Path, program: &Path, ports: OraclePorts, recovery: Duration) -> Vec<ServiceText> {
    let place = Place::new(data);
    let lmtp = place.lmtp_socket();
    let wake = Address::loopback(ports.job_controller).to_string();
    let standin = |name: &str, kind: &str, options: &[&str]| standin(data, program, name, kind, options);
    let listening = |name: &str, kind: &str, port: u16, protocol: &'static str| {
        standin(name, kind, &["--listen", &Address::loopback(port).to_string()]).listen(Listen::Port(port, protocol))
    };
    let mut dispatcher = listening("dispatcher", "smtp", ports.smtp, "Smtp");
    dispatcher.command.extend(["--listen".to_owned(), Address::loopback(ports.submission).to_string()]);
    dispatcher.command.extend(["--wake".to_owned(), wake]);
    vec![
        standin("store", "store", &["--init", &format!("{}ms", recovery.as_millis())])
            .field("readiness", "{type: Notify}")
            .field("pidFile", "proc/store")
            .listen(Listen::Socket(lmtp, "Lmtp")),
        standin("purge", "purge", &[]).field("readiness", "{type: Notify}"),
        listening("imap", "imap", ports.imap, "Imap"),
        listening("pop", "pop3", ports.pop, "Pop3"),
        listening("http", "http", ports.http, "Http"),
        dispatcher.listen(Listen::Port(ports.submission, "Submission")),
        listening("job_controller", "delivery", ports.job_controller, "Tcp"),
    ]
}

fn standin(data: &Path, program: &Path, name: &str, kind: &str, options: &[&str]) -> ServiceText {
    let mut words = vec![program.to_string_lossy().into_owned(), "stand-in".to_owned(), kind.to_owned()];
    words.extend(["--data".to_owned(), data.to_string_lossy().into_owned()]);
    words.extend(options.iter().map(|option| (*option).to_owned()));
    ServiceText::new(name, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::{Readiness, Wanted};
    use crate::document;

    #[test]
    fn r01_the_document_is_valid_without_a_warning_and_wants_the_oracle_services_in_order() {
        let ports = OraclePorts::pick().unwrap();
        let text = oracle_document(Path::new("/r"), Path::new("/bin/mailward"), ports, Duration::from_secs(1));
        let read = document::read(text.to_string().as_bytes(), "demo");
        let noted = read.diagnostics.iter().all(|found| found.severity == document::Severity::Note);
        assert!(noted, "{:?}", read.diagnostics);
        let desired = document::resolve(&read.document.unwrap(), 1);
        let wanted: Vec<&str> = desired
            .services
            .iter()
            .filter(|service| service.wanted == Wanted::Yes)
            .map(|service| &*service.name)
            .collect();
        assert_eq!(wanted, ["store", "purge", "imap", "pop", "http", "sched", "dispatcher", "job_controller"]);
        let readiness = |name: &str| &desired.service(desired.find(name).unwrap()).launch.readiness;
        assert_eq!(readiness("store"), &Readiness::Notify);
        assert_eq!(readiness("imap"), &Readiness::Probe);
        let store = desired.service(desired.find("store").unwrap());
        assert_eq!(store.launch.pid_file.as_deref(), Some("/r/data/proc/store"));
    }
}
