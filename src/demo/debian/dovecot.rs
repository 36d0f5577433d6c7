//! Configuration of Dovecot 2.3: one instance for everything, or store, IMAP and POP3 apart.

use std::fmt::Write as _;

use super::super::{PASSWORD, USER};
use super::DebianError;
use super::files::Folder;

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Authentication and LMTP.
    Store,
    /// IMAP on this port, with the store's authentication.
    Imap(u16),
    /// POP3 on this port, with the store's authentication.
    Pop(u16),
    /// Everything.
    Whole {
        /// IMAP.
        imap: u16,
        /// POP3.
        pop: u16,
    },
}

impl Part {
    /// Name of the instance, of its folder below `run/` and of its file below `etc/`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Imap(_) => "imap",
            Self::Pop(_) => "pop",
            Self::Whole { .. } => "dovecot",
        }
    }

    /// Its configuration file.
    pub(super) fn file(self, folder: &Folder) -> String {
        folder.text(&format!("etc/{}.conf", self.name()))
    }
}

/// Where mail is taken by LMTP.
pub(super) fn lmtp_socket(folder: &Folder) -> String {
    folder.text("run/lmtp")
}

/// The folders that all instances share, and the users.
pub(super) fn write_shared(folder: &Folder) -> Result<(), DebianError> {
    for name in ["etc", "run", "state"] {
        folder.folder(name, 0o755)?;
    }
    folder.folder("store", 0o770)?;
    folder.give("store", Some("mail"), "mail")?;
    folder.file("etc/users", 0o640, &format!("{USER}:{{PLAIN}}{PASSWORD}\n"))?;
    folder.give("etc/users", None, "dovecot")
}

/// Writes the configuration of one instance.
pub(super) fn write(folder: &Folder, part: Part) -> Result<(), DebianError> {
    folder.file(&format!("etc/{}.conf", part.name()), 0o644, &text(folder, part))
}

fn text(folder: &Folder, part: Part) -> String {
    let name = part.name();
    let mut text = format!(
        "base_dir = {run}\nstate_dir = {state}\ninstance_name = {name}\nlog_path = /dev/stderr\nssl = no\n\
         disable_plaintext_auth = no\nlisten = 127.0.0.1\nmail_location = maildir:{store}/%n\nmail_uid = mail\n\
         mail_gid = mail\nfirst_valid_uid = 1\nfirst_valid_gid = 1\nauth_username_format = %Ln\n",
        run = folder.text(&format!("run/{name}")),
        state = folder.text(&format!("state/{name}")),
        store = folder.text("store"),
    );
    match part {
        Part::Store => {
            text.push_str("protocols = lmtp\n");
            text.push_str(&store(folder));
        }
        Part::Imap(at) => text.push_str(&front(folder, "imap", at)),
        Part::Pop(at) => text.push_str(&front(folder, "pop3", at)),
        Part::Whole { imap, pop } => {
            text.push_str("protocols = imap pop3 lmtp\n");
            text.push_str(&store(folder));
            for (protocol, port) in [("imap", imap), ("pop3", pop)] {
                // Writing to a String cannot fail.
                let _ = write!(text, "service {protocol}-login {{\n{}}}\n", ports(protocol, port));
            }
        }
    }
    text
}

/// Authentication and LMTP. `shared-login` and `auth-master` serve the instances in front.
fn store(folder: &Folder) -> String {
    format!(
        "passdb {{\n  driver = passwd-file\n  args = scheme=PLAIN username_format=%Ln {users}\n}}\n\
         userdb {{\n  driver = static\n  args = uid=mail gid=mail home={store}/%Ln\n}}\n\
         service lmtp {{\n  unix_listener {lmtp} {{\n    mode = 0666\n  }}\n}}\n\
         service auth {{\n  unix_listener shared-login {{\n    mode = 0666\n  }}\n\
         \x20 unix_listener auth-master {{\n    mode = 0600\n    user = mail\n  }}\n}}\n",
        users = folder.text("etc/users"),
        store = folder.text("store"),
        lmtp = lmtp_socket(folder),
    )
}

/// An instance without authentication of its own.
fn front(folder: &Folder, protocol: &str, port: u16) -> String {
    format!(
        "protocols = {protocol}\n\
         service {protocol}-login {{\n  executable = {protocol}-login {shared}\n  chroot =\n{ports}}}\n\
         service {protocol} {{\n  executable = {protocol} -a {master}\n}}\n",
        shared = folder.text("run/store/shared-login"),
        master = folder.text("run/store/auth-master"),
        ports = ports(protocol, port),
    )
}

/// The plain port; the TLS port, which is on by default, off.
fn ports(protocol: &str, port: u16) -> String {
    format!(
        "  inet_listener {protocol} {{\n    port = {port}\n  }}\n  inet_listener {protocol}s {{\n    port = 0\n  }}\n"
    )
}
