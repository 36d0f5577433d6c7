//! Configuration of Postfix 3.7: one instance for everything, or receiving and delivering apart.

use std::fmt::Write as _;

use super::super::{DOMAIN, HOST, USER};
use super::DebianError;
use super::files::Folder;

/// What an instance does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    /// Its folder below the root.
    pub(super) name: &'static str,
    /// Ports of its SMTP servers.
    pub(super) ports: [Option<u16>; 2],
    /// Where mail goes.
    pub(super) to: Destination,
}

/// Where an instance sends what it took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// To another SMTP server on this port.
    Smtp(u16),
    /// To the store's LMTP socket.
    Store,
}

impl Part {
    /// Its configuration folder, the argument of `postfix -c`.
    pub(super) fn folder(&self, folder: &Folder) -> String {
        folder.text(&format!("{}/etc", self.name))
    }
}

/// Writes one instance: its configuration, queue and data folders.
pub(super) fn write(folder: &Folder, part: &Part, lmtp_socket: &str) -> Result<(), DebianError> {
    let name = part.name;
    for (below, mode) in [("", 0o755), ("/etc", 0o755), ("/queue", 0o755), ("/data", 0o700)] {
        folder.folder(&format!("{name}{below}"), mode)?;
    }
    folder.give(&format!("{name}/data"), Some("postfix"), "postfix")?;
    folder.file(&format!("{name}/etc/main.cf"), 0o644, &main_cf(folder, part, lmtp_socket))?;
    folder.file(&format!("{name}/etc/master.cf"), 0o644, &master_cf(part))
}

fn main_cf(folder: &Folder, part: &Part, lmtp_socket: &str) -> String {
    let user = format!("inline:{{ {{{USER}@{DOMAIN}={USER}}} }}");
    let route = match part.to {
        Destination::Smtp(next) => format!(
            "relay_domains = {DOMAIN}\nrelay_transport = relay:[127.0.0.1]:{next}\nrelay_recipient_maps = {user}\n"
        ),
        Destination::Store => format!(
            "virtual_mailbox_domains = {DOMAIN}\nvirtual_transport = lmtp:unix:{lmtp_socket}\n\
             virtual_mailbox_maps = {user}\n"
        ),
    };
    // The retry times are short so that mail held back by a restart of the store arrives while somebody watches.
    format!(
        "compatibility_level = 3.6\nqueue_directory = {queue}\ndata_directory = {data}\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmeta_directory = /etc/postfix\n\
         shlib_directory = /usr/lib/postfix\nmail_owner = postfix\nsetgid_group = postdrop\nmyhostname = {HOST}\n\
         mydestination =\nalias_maps =\nalias_database =\nlocal_recipient_maps =\nmynetworks = 127.0.0.0/8\n\
         inet_interfaces = 127.0.0.1\ninet_protocols = ipv4\nsmtp_dns_support_level = disabled\n\
         smtp_host_lookup = native\nsmtpd_peername_lookup = no\nsmtpd_tls_security_level = none\n\
         smtp_tls_security_level = none\nmaillog_file = /dev/stdout\n\
         smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\nbiff = no\n\
         queue_run_delay = 2s\nminimal_backoff_time = 2s\nmaximal_backoff_time = 10s\n\
         lmtp_destination_concurrency_failed_cohort_limit = 100\ntransport_retry_time = 2s\n{route}",
        queue = folder.text(&format!("{}/queue", part.name)),
        data = folder.text(&format!("{}/data", part.name)),
    )
}

/// Every service of Debian's master.cf that mail between SMTP and LMTP needs, none of them in a chroot: the socket of
/// the store lies outside.
fn master_cf(part: &Part) -> String {
    let mut text = String::new();
    for port in part.ports.iter().flatten() {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "127.0.0.1:{port} inet n - n - - smtpd");
    }
    text.push_str(
        "\
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
lmtp unix - - n - - lmtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
",
    );
    text
}
