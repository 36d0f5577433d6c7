//! The Oracle-shaped server of real parts.

use std::path::Path;

use super::super::document_text::{DocumentText, Listen, ServiceText, list};
use super::super::oracle_document::{OraclePorts, spec_fields};
use super::DebianError;
use super::dovecot;
use super::files::Folder;
use super::nginx;
use super::postfix::{self, Destination};

/// Writes all files of the server into `root` and says its document. Store is Dovecot's authentication and LMTP, imap
/// and pop are Dovecot instances of their own in front of it, http is nginx, dispatcher and `job_controller` are two
/// Postfix instances (receiving, delivering). purge is off, for Dovecot purges by itself.
///
/// # Errors
/// An unfit folder, a missing account, or what the file system reports.
pub fn oracle_of_debian_parts(root: &Path, ports: OraclePorts) -> Result<DocumentText, DebianError> {
    let folder = Folder::open(root)?;
    for name in ["data", "data/log", "data/proc", "server"] {
        folder.folder(name, 0o755)?;
    }
    dovecot::write_shared(&folder)?;
    let lmtp = dovecot::lmtp_socket(&folder);
    let instances = [dovecot::Part::Store, dovecot::Part::Imap(ports.imap), dovecot::Part::Pop(ports.pop)];
    for part in instances {
        dovecot::write(&folder, part)?;
    }
    let receiving = postfix::Part {
        name: "dispatcher",
        ports: [Some(ports.smtp), Some(ports.submission)],
        to: Destination::Smtp(ports.job_controller),
    };
    let delivering =
        postfix::Part { name: "job_controller", ports: [Some(ports.job_controller), None], to: Destination::Store };
    postfix::write(&folder, &receiving, &lmtp)?;
    postfix::write(&folder, &delivering, &lmtp)?;
    nginx::write(&folder, ports.http)?;

    let [store, imap, pop] = instances.map(|part| dovecot_service(&folder, part));
    let services = vec![
        store.field("readiness", "{type: Probe}").listen(Listen::Socket(lmtp.into(), "Lmtp")),
        ServiceText::new("purge", [""; 0]).field("enabled", "false"),
        imap.listen(Listen::Port(ports.imap, "Imap")),
        pop.listen(Listen::Port(ports.pop, "Pop3")),
        nginx_service(&folder, "http", ports.http),
        postfix_service(&folder, &receiving)
            .listen(Listen::Port(ports.smtp, "Smtp"))
            .listen(Listen::Port(ports.submission, "Submission")),
        postfix_service(&folder, &delivering).listen(Listen::Port(ports.job_controller, "Smtp")),
    ];
    Ok(DocumentText {
        about: vec!["An Oracle-shaped server of Dovecot, Postfix and nginx, in a folder of its own.".to_owned()],
        name: "debian".to_owned(),
        profile: "Oracle",
        server_root: folder.path("server"),
        data_root: folder.path("data"),
        fields: spec_fields(ports.watcher),
        services,
    })
}

/// A Dovecot instance as a service of the name of its part.
pub(super) fn dovecot_service(folder: &Folder, part: dovecot::Part) -> ServiceText {
    let file = part.file(folder);
    ServiceText::new(part.name(), ["/usr/sbin/dovecot", "-F", "-c", &file])
        .field("pidFile", folder.text(&format!("run/{}/master.pid", part.name())))
        .field("reload", format!("{{command: {}}}", list(&["/usr/bin/doveadm", "-c", &file, "reload"])))
        .field("check", format!("{{command: {}}}", list(&["/usr/bin/doveconf", "-n", "-c", &file])))
        .field("watchFiles", list(&[&file]))
}

/// A Postfix instance as a service of the name of its part.
pub(super) fn postfix_service(folder: &Folder, part: &postfix::Part) -> ServiceText {
    let etc = part.folder(folder);
    let verb = |verb| format!("{{command: {}}}", list(&["/usr/sbin/postfix", "-c", &etc, verb]));
    ServiceText::new(part.name, ["/usr/sbin/postfix", "-c", &etc, "start-fg"])
        .field("reload", verb("reload"))
        .field("check", verb("check"))
        .field("watchFiles", list(&["main.cf", "master.cf"].map(|file| format!("{etc}/{file}"))))
}

/// nginx as a service of this name.
pub(super) fn nginx_service(folder: &Folder, name: &str, port: u16) -> ServiceText {
    let file = nginx::file(folder);
    // Without -e it opens the log it was compiled with first, which belongs to the system's own nginx.
    ServiceText::new(name, ["/usr/sbin/nginx", "-e", "stderr", "-c", &file])
        .field("stopSignal", "QUIT")
        .field("reload", "{signal: HUP}")
        .field("check", format!("{{command: {}}}", list(&["/usr/sbin/nginx", "-e", "stderr", "-t", "-c", &file])))
        .field("watchFiles", list(&[&file]))
        .listen(Listen::Port(port, "Http"))
}
