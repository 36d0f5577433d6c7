//! The image of real mail software, without Mailward: what every other proof stands on.

use serde_json::{Value, json};

use crate::namespace::Namespace;
use crate::talk::Talk;

const CONFIGURATION: &str = "
protocols = imap lmtp
listen = *
ssl = no
disable_plaintext_auth = no
log_path = /dev/stderr
mail_location = maildir:~/mail
first_valid_uid = 8
passdb {
  driver = static
  args = password=secret
}
userdb {
  driver = static
  args = uid=mail gid=mail home=/var/mail/%u
}
service lmtp {
  inet_listener lmtp {
    port = 24
  }
}
";

/// A pod that runs Dovecot alone, with its configuration and its Service.
fn dovecot(namespace: &Namespace) {
    let probe = json!({"tcpSocket": {"port": 143}, "periodSeconds": 1});
    let container = json!({
        "name": "mail", "image": "docker.io/local/mail:1", "imagePullPolicy": "Never",
        "command": ["dovecot", "-F"], "readinessProbe": probe,
        "volumeMounts": [{"name": "etc", "mountPath": "/etc/dovecot/dovecot.conf", "subPath": "dovecot.conf"}],
    });
    namespace.apply(&object("ConfigMap", "etc", "data", &json!({"dovecot.conf": CONFIGURATION})));
    let volume = json!({"name": "etc", "configMap": {"name": "etc"}});
    namespace.apply(&object("Pod", "mail", "spec", &json!({"containers": [container], "volumes": [volume]})));
    let ports = json!([{"name": "imap", "port": 143}, {"name": "lmtp", "port": 24}]);
    namespace.apply(&object("Service", "mail", "spec", &json!({"selector": {"app": "mail"}, "ports": ports})));
    namespace.wait("pod", "mail", "Ready");
}

fn object(kind: &str, name: &str, field: &str, value: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "labels": {"app": "mail"}}, field: value})
}

/// The address that a field of an object says.
fn address(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {object:#}")).to_owned()
}

fn inbox(address: &str) -> Vec<String> {
    let (mut imap, greeting) = Talk::open(address, 143);
    assert!(greeting.starts_with("* OK"), "{greeting}");
    imap.imap("LOGIN anna secret");
    imap.imap("SELECT INBOX");
    imap.imap("FETCH 1:* BODY[TEXT]")
}

#[test]
fn mail_goes_in_through_the_service_and_comes_out_at_the_pod() {
    let namespace = Namespace::new("mail-image");
    dovecot(&namespace);
    let service = address(&namespace.get("service", "mail"), "/spec/clusterIP");
    let pod = address(&namespace.get("pod", "mail"), "/status/podIP");

    let (mut lmtp, greeting) = Talk::through(&service, 24);
    assert!(greeting.starts_with("220"), "{greeting}");
    lmtp.smtp("LHLO test", "250");
    lmtp.smtp("MAIL FROM:<>", "250");
    lmtp.smtp("RCPT TO:<anna>", "250");
    lmtp.smtp("DATA", "354");
    lmtp.smtp("Subject: a test\r\n\r\nby way of the Service\r\n.", "250");

    let inbox = inbox(&pod);
    assert!(inbox.iter().any(|line| line == "by way of the Service"), "{inbox:?}");
    let processes = namespace.exec("mail", "mail", &["doveadm", "process", "status", "lmtp"]);
    assert!(processes.contains("lmtp"), "{processes}");
    let logs = namespace.logs("mail");
    assert!(logs.contains("saved mail to INBOX"), "{logs}");
}

#[test]
fn a_pod_serves_on_while_the_api_server_is_away() {
    let namespace = Namespace::alone("api-away");
    dovecot(&namespace);
    let pod = address(&namespace.get("pod", "mail"), "/status/podIP");

    let away = namespace.without("apiserver");
    let (_, greeting) = Talk::open(&pod, 143);
    drop(away);

    assert!(greeting.starts_with("* OK"), "{greeting}");
    let after = namespace.until("pod", "mail", |pod| pod.pointer("/status/phase") == Some(&json!("Running")));
    assert_eq!(after.pointer("/status/containerStatuses/0/restartCount"), Some(&json!(0)));
    namespace.delete("pod", "mail");
}

#[test]
fn what_the_api_server_refuses_is_told() {
    let namespace = Namespace::new("refused");
    let words = namespace.apply_refused(&object("Service", "mail", "spec", &json!({"ports": [{"port": 70_000}]})));
    assert!(words.contains("must be between 1 and 65535"), "{words}");
}
