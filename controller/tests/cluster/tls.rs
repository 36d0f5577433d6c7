//! TLS with a certificate from a Secret, and its renewal.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::parts::dovecot_and_postfix_with_tls;
use crate::server::{Server, pid, says};
use crate::watch::poll;

fn openssl(arguments: &[&str], input: &str) -> Option<String> {
    use std::io::Write as _;
    let mut command = Command::new("openssl");
    let command = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().expect("openssl");
    // One that ends before it has read says so by its code.
    let _ = child.stdin.take().expect("it is piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it was started");
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

fn fingerprint(certificate: &str) -> Option<String> {
    openssl(&["x509", "-noout", "-fingerprint", "-sha256"], certificate)
}

/// Puts a new certificate into the Secret, as cert-manager does when it renews one, and says which it is.
fn renew(server: &Server) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let [key, certificate] = ["tls.key", "tls.crt"].map(|name| folder.path().join(name));
    let subject = ["-subj", "/CN=mail.example.org", "-addext", "subjectAltName=DNS:mail.example.org"];
    let curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90"];
    let to = ["-keyout", key.to_str().expect("text"), "-out", certificate.to_str().expect("text")];
    openssl(&[&["req", "-x509"][..], &curve, &subject, &to].concat(), "").expect("it makes one");
    let read = |path| fs::read_to_string(path).expect("it was written");
    let data = json!({"tls.crt": read(&certificate), "tls.key": read(&key)});
    let kind = "kubernetes.io/tls";
    server.namespace.apply(&json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "mail-tls"}, "type": kind, "stringData": data,
    }));
    fingerprint(&read(&certificate)).expect("it is a certificate")
}

/// Which certificate is served there; none while nobody lets us in.
fn served(address: &str, port: u16, start: &[&str]) -> Option<String> {
    let to = format!("{address}:{port}");
    fingerprint(&openssl(&[&["s_client", "-connect", &to][..], start].concat(), "")?)
}

#[test]
fn r19_tls_is_served_from_a_secret_and_a_renewed_certificate_is_loaded_without_a_restart_or_another_pod() {
    let server = Server::new("mail-tls");
    let first = renew(&server);
    server.apply(&dovecot_and_postfix_with_tls(&server));
    let before = server.ready();
    assert!(says(&before, "Degraded", "False", "None"), "{before:#}");
    let (address, uid) = (server.address(), server.uid());
    let everywhere = |wanted: &str| {
        let doors: [(u16, &[&str]); 4] =
            [(993, &[]), (143, &["-starttls", "imap"]), (25, &["-starttls", "smtp"]), (587, &["-starttls", "smtp"])];
        doors.into_iter().all(|(port, start)| served(&address, port, start).is_some_and(|one| one == wanted))
    };
    poll("the certificate of the Secret is served", || everywhere(&first));

    let second = renew(&server);
    assert_ne!(first, second);
    poll("the renewed certificate is served", || everywhere(&second));
    let after = server.ready();
    assert!(says(&after, "Degraded", "False", "None"), "{after:#}");
    for service in ["dovecot", "postfix"] {
        assert_eq!(pid(&after, service), pid(&before, service), "{service}");
    }
    assert_eq!((server.uid(), server.container_restarts()), (uid, 0));
}
