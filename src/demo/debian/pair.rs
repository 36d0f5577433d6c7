//! Profile `DovecotPostfix` with the real programs, and nginx beside them.

use std::io;
use std::path::Path;

use super::super::document_text::{DocumentText, Listen};
use super::super::ports::pick_free_ports;
use super::DebianError;
use super::dovecot;
use super::files::Folder;
use super::nginx;
use super::oracle::{dovecot_service, nginx_service, postfix_service};
use super::postfix::{self, Destination};

/// The ports of the server, all on 127.0.0.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairPorts {
    /// IMAP.
    pub imap: u16,
    /// POP3.
    pub pop: u16,
    /// SMTP.
    pub smtp: u16,
    /// Submission.
    pub submission: u16,
    /// nginx.
    pub http: u16,
    /// `spec.watcher.port`.
    pub watcher: u16,
}

impl PairPorts {
    /// Free ones.
    ///
    /// # Errors
    /// What bind(2) reports when there are none.
    pub fn pick() -> io::Result<Self> {
        let ports = pick_free_ports(6)?;
        match ports[..] {
            [imap, pop, smtp, submission, http, watcher] => Ok(Self { imap, pop, smtp, submission, http, watcher }),
            _ => Err(io::ErrorKind::AddrNotAvailable.into()),
        }
    }
}

/// Writes all files of the server into `root` and says its document: `dovecot` and `postfix` of the profile, `nginx`
/// switched on.
///
/// # Errors
/// An unfit folder, a missing account, or what the file system reports.
pub fn dovecot_and_postfix(root: &Path, ports: PairPorts) -> Result<DocumentText, DebianError> {
    let folder = Folder::open(root)?;
    for name in ["data", "data/log"] {
        folder.folder(name, 0o755)?;
    }
    dovecot::write_shared(&folder)?;
    let whole = dovecot::Part::Whole { imap: ports.imap, pop: ports.pop };
    dovecot::write(&folder, whole)?;
    let lmtp = dovecot::lmtp_socket(&folder);
    let postfix =
        postfix::Part { name: "postfix", ports: [Some(ports.smtp), Some(ports.submission)], to: Destination::Store };
    postfix::write(&folder, &postfix, &lmtp)?;
    nginx::write(&folder, ports.http)?;
    let services = vec![
        dovecot_service(&folder, whole)
            .listen(Listen::Port(ports.imap, "Imap"))
            .listen(Listen::Port(ports.pop, "Pop3"))
            .listen(Listen::Socket(lmtp.into(), "Lmtp")),
        postfix_service(&folder, &postfix)
            .listen(Listen::Port(ports.smtp, "Smtp"))
            .listen(Listen::Port(ports.submission, "Submission")),
        nginx_service(&folder, "nginx", ports.http).field("enabled", "true"),
    ];
    Ok(DocumentText {
        about: vec!["Dovecot, Postfix and nginx in a folder of their own.".to_owned()],
        name: "debian".to_owned(),
        profile: "DovecotPostfix",
        server_root: root.to_owned(),
        data_root: folder.path("data"),
        fields: vec![
            ("watcher", format!("{{enabled: true, port: {}}}", ports.watcher)),
            ("highAvailability", "{mode: None}".to_owned()),
        ],
        services,
    })
}
