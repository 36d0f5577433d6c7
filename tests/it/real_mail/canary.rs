//! The canary flies through real servers, with TLS and a login on both ends, and names the hop that broke.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use mailward::demo::{DOMAIN, PASSWORD, USER};
use rcgen::generate_simple_self_signed;

use super::server::{Server, pair};
use crate::agent::house::Said;

/// A server that speaks TLS and asks for a login on submission and IMAP, with a canary. `more` is more configuration of
/// Dovecot. Not started.
fn secured(more: &str) -> Server {
    let mut server = pair();
    let mail = server.path("m");
    let made = generate_simple_self_signed(vec!["mail.example.test".to_owned()]).unwrap();
    let (certificate, key) = (mail.join("etc/cert.pem"), mail.join("etc/key.pem"));
    fs::write(&certificate, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    server.edit("etc/dovecot.conf", |text| {
        format!(
            "{text}ssl = yes\nssl_cert = <{}\nssl_key = <{}\nservice auth {{\n  unix_listener sasl {{\n    mode = 0666\n  \
             }}\n}}\n{more}",
            certificate.display(),
            key.display()
        )
    });
    server.edit("postfix/etc/main.cf", |text| {
        format!(
            "{}\nsmtpd_tls_cert_file = {}\nsmtpd_tls_key_file = {}\nsmtpd_sasl_auth_enable = yes\nsmtpd_sasl_type = \
             dovecot\nsmtpd_sasl_path = {}\n",
            text.replace("smtpd_tls_security_level = none", "smtpd_tls_security_level = may"),
            certificate.display(),
            key.display(),
            mail.join("run/dovecot/sasl").display()
        )
    });
    password(&server, PASSWORD);
    let mailward::demo::Listen::Port(submission, _) = server.document.service("postfix").unwrap().listeners[1] else {
        panic!("submission has a port");
    };
    let tls = format!(
        "tls: StartTls, certificateFile: {}, login: {{user: {USER}, passwordFile: {}}}",
        certificate.display(),
        secret(&server).display()
    );
    server.document.fields.push((
        "canary",
        format!(
            "{{recipient: {USER}@{DOMAIN}, timeout: 10s, submit: {{port: {submission}, protocol: Submission, {tls}}}, \
             deliver: {{socket: {}, protocol: Lmtp}}, read: {{port: {}, protocol: Imap, {tls}}}}}",
            mail.join("run/lmtp").display(),
            server.imap
        ),
    ));
    // Hangs are no subject of this test.
    server.document.fields.push(("probes", "{period: 1h}".to_owned()));
    server.write();
    server
}

fn secret(server: &Server) -> PathBuf {
    server.path("secret")
}

fn password(server: &Server, word: &str) {
    server.put("secret", word);
    fs::set_permissions(secret(server), Permissions::from_mode(0o600)).unwrap();
}

/// The messages in the mailbox: how many are the canary's, how many are not.
fn mailbox(server: &Server) -> (usize, usize) {
    let mut counts = (0, 0);
    for folder in ["new", "cur"] {
        let folder = server.path(&format!("m/store/{USER}/{folder}"));
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let text = fs::read_to_string(entry.unwrap().path()).unwrap_or_default();
            *if text.contains("X-Mailward-Canary:") { &mut counts.0 } else { &mut counts.1 } += 1;
        }
    }
    counts
}

fn flies(server: &Server) -> Said {
    server.run(&["canary"])
}

/// A run breaks at this hop, and the status names it.
fn breaks_at(server: &Server, hop: &str) {
    let said = flies(server);
    let last = said.out.lines().last().unwrap_or_default();
    assert!(said.code == 2 && last.contains("Broke") && last.contains(hop), "{hop}: {said:?}");
    let (status, reason, _) = server.status().condition("Degraded");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "CanaryBroke"));
}

fn comes_through(server: &Server) {
    let said = flies(server);
    assert_eq!(said.code, 0, "{said:?}");
    for hop in ["smtp", "lmtp", "queue", "imap", "delete"] {
        assert!(said.out.lines().any(|line| line.contains(hop) && line.contains("Passed")), "{hop}: {}", said.out);
    }
    assert_eq!(mailbox(server).0, 0, "it is deleted on arrival, and so is what earlier runs left");
    assert_ne!(server.status().condition("Degraded").1, "CanaryBroke");
}

fn postconf(server: &Server, setting: &str) {
    let etc = server.path("m/postfix/etc");
    let mut command = std::process::Command::new("/usr/sbin/postconf");
    assert!(command.arg("-c").arg(&etc).args(["-e", setting]).status().unwrap().success());
    server.does(&["reload", "postfix"]);
}

fn is_gone(path: &Path) -> bool {
    !path.exists()
}

#[test]
fn the_canary_comes_through_and_each_hop_that_is_broken_is_named() {
    let server = secured("").started();
    comes_through(&server);

    // The queue is held: the message is taken and goes no further.
    postconf(&server, "defer_transports = lmtp");
    breaks_at(&server, "queue");
    postconf(&server, "defer_transports =");

    // Nobody listens where mail is delivered.
    let lmtp = server.path("m/run/lmtp");
    fs::remove_file(&lmtp).unwrap();
    assert!(is_gone(&lmtp));
    breaks_at(&server, "lmtp");
    server.does(&["restart", "dovecot"]);
    server.all_ready();

    // The message is not taken.
    postconf(&server, "smtpd_helo_restrictions = reject");
    breaks_at(&server, "smtp");
    postconf(&server, "smtpd_helo_restrictions =");

    // Nobody may look into the mailbox, and then nothing is sent that nobody could delete.
    password(&server, "wrong");
    breaks_at(&server, "imap");
    password(&server, PASSWORD);

    let flush = std::process::Command::new("/usr/sbin/postqueue")
        .arg("-c")
        .arg(server.path("m/postfix/etc"))
        .arg("-f")
        .status();
    assert!(flush.unwrap().success());
    crate::running::eventually("what was queued is delivered and deleted", || {
        (flies(&server).code == 0 && mailbox(&server).0 == 0).then_some(())
    });
    let series = server.does(&["canary", "--history"]);
    assert!(series.contains("Broke") && series.contains("Passed"), "{series}");
}

#[test]
fn the_canary_names_lmtp_where_the_mailbox_is_full_and_imap_where_it_refuses_the_login() {
    let quota = "mail_plugins = quota\nlmtp_rcpt_check_quota = yes\nplugin {\n  quota = maildir:User quota\n  quota_rule = \
                 *:messages=1\n}\n";
    let mut server = secured(quota);
    // The login of the mailbox is one of its own here.
    let own = server.path("own");
    let canary = server.document.fields.iter_mut().find(|(name, _)| *name == "canary").unwrap();
    let at = canary.1.rfind(&secret_of(&canary.1)).unwrap();
    let rest = canary.1.split_off(at).replacen(&secret_of(&canary.1), &own.display().to_string(), 1);
    canary.1.push_str(&rest);
    let write = |server: &Server, word: &str| {
        server.put("own", word);
        fs::set_permissions(server.path("own"), Permissions::from_mode(0o600)).unwrap();
    };
    server.write();
    write(&server, "wrong");
    let server = server.started();
    breaks_at(&server, "imap");
    write(&server, PASSWORD);
    comes_through(&server);
    server.carries("of a person");
    breaks_at(&server, "lmtp");
    assert_eq!(mailbox(&server), (0, 1), "the message of a person is left alone");
}

/// The path of the password file in the declaration of a canary.
fn secret_of(declared: &str) -> String {
    let after = declared.split("passwordFile: ").nth(1).unwrap();
    after.split('}').next().unwrap().to_owned()
}
