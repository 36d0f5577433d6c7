//! Mail servers of real parts, in the image `docker.io/local/mail:1`: the samples of the project, with the image, the
//! `ConfigMap`s and the ports that they need there.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::server::Server;
use crate::talk::Talk;

/// The image of the mail software.
pub(crate) const IMAGE: &str = "docker.io/local/mail:1";
/// The same under another name.
pub(crate) const NEXT_IMAGE: &str = "docker.io/local/mail:2";

const MASTER: (&str, &str) = ("master.cf", include_str!("etc/master.cf"));

/// The spec of a committed sample.
fn sample(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../manifests/samples").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let object: Value = serde_saphyr::from_str(&text).expect("it is YAML");
    object["spec"].clone()
}

/// A sample as it is for what is not said here.
fn with(mut spec: Value, services: &Value, mounts: &Value) -> Value {
    spec["services"] = services.clone();
    spec["workload"]["image"] = json!(IMAGE);
    spec["workload"]["mounts"] = mounts.clone();
    // What a sample asks for is for a machine with more to give.
    spec["workload"]["resources"] = json!({"requests": {"cpu": "10m", "memory": "64Mi"}});
    spec
}

fn config_map(server: &Server, name: &str, files: &[(&str, &str)]) -> Value {
    let data: serde_json::Map<String, Value> =
        files.iter().map(|(file, text)| ((*file).to_owned(), json!(text))).collect();
    server.namespace.apply(&json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data,
    }));
    json!(name)
}

/// Dovecot's own configuration, with something more in it.
pub(crate) fn configure_dovecot(server: &Server, more: &str) -> Value {
    let text = format!("{}{more}\n", include_str!("etc/dovecot.conf"));
    config_map(server, "dovecot", &[("dovecot.conf", &text)])
}

/// Dovecot and Postfix; the sample of that name.
pub(crate) fn dovecot_and_postfix(server: &Server) -> Value {
    let mounts = json!([
        {"path": "/etc/dovecot", "configMap": configure_dovecot(server, "")},
        {"path": "/etc/mail/postfix", "configMap": config_map(server, "postfix", &[("main.cf", include_str!("etc/postfix.cf")), MASTER])},
    ]);
    let services = json!([
        {
            "name": "dovecot",
            "listeners": [{"port": 143, "protocol": "Imap"}, {"socket": "/run/dovecot/lmtp", "protocol": "Lmtp"}],
            "watchFiles": ["/etc/dovecot/dovecot.conf"],
        },
        {"name": "postfix", "command": ["postfix", "-c", "/etc/mail/postfix", "start-fg"]},
    ]);
    with(sample("dovecot-postfix.yaml"), &services, &mounts)
}

/// The same with TLS from the Secret `mail-tls`; the sample of that name.
pub(crate) fn dovecot_and_postfix_with_tls(server: &Server) -> Value {
    const FILES: &str = "</etc/ssl/mail/tls.crt\nssl_key = </etc/ssl/mail/tls.key";
    let dovecot = include_str!("etc/dovecot.conf").replace("ssl = no", &format!("ssl = yes\nssl_cert = {FILES}"));
    let postfix = [
        include_str!("etc/postfix.cf"),
        "smtpd_tls_security_level = may\n",
        "smtpd_tls_chain_files = /etc/ssl/mail/tls.key, /etc/ssl/mail/tls.crt\n",
    ]
    .concat();
    let mut spec = sample("dovecot-postfix-tls.yaml");
    let mounts = json!([
        {"path": "/etc/dovecot", "configMap": config_map(server, "dovecot", &[("dovecot.conf", &dovecot)])},
        {"path": "/etc/mail/postfix", "configMap": config_map(server, "postfix", &[("main.cf", &postfix), MASTER])},
        spec["workload"]["mounts"][0],
    ]);
    let of_postfix = |words: &[&str]| json!([&["postfix", "-c", "/etc/mail/postfix"], words].concat());
    let services = &mut spec["services"];
    services[1]["command"] = of_postfix(&["start-fg"]);
    services[1]["check"] = json!({"command": of_postfix(&["check"])});
    services[1]["reload"] = json!({"command": of_postfix(&["reload"])});
    let services = services.take();
    with(spec, &services, &mounts)
}

/// Oracle's services, of real parts: store is Dovecot's authentication and LMTP, imap and pop are instances of their own
/// before it, dispatcher and `job_controller` are two Postfix instances. The sample of that name.
pub(crate) fn oracle_shaped(server: &Server) -> Value {
    let mounts = json!([
        {"path": "/etc/mail/parts", "configMap": config_map(server, "parts", &[
            ("store.conf", include_str!("etc/store.conf")), ("imap.conf", include_str!("etc/imap.conf")),
            ("pop.conf", include_str!("etc/pop.conf")), ("nginx.conf", include_str!("etc/nginx.conf")),
        ])},
        {"path": "/etc/mail/dispatcher", "configMap": config_map(server, "dispatcher", &[("main.cf", include_str!("etc/dispatcher.cf")), MASTER])},
        {"path": "/etc/mail/job_controller", "configMap": config_map(server, "delivery", &[
            ("main.cf", include_str!("etc/job_controller.cf")), ("master.cf", include_str!("etc/delivery.cf")),
        ])},
    ]);
    let dovecot = |name: &str| json!(["/usr/sbin/dovecot", "-F", "-c", format!("/etc/mail/parts/{name}.conf")]);
    let postfix = |name: &str| {
        let words = format!("mkdir -p /var/spool/{name} && exec postfix -c /etc/mail/{name} start-fg");
        json!(["/bin/sh", "-c", words])
    };
    let services = json!([
        {"name": "store", "command": dovecot("store"), "readiness": {"type": "Probe"},
         "listeners": [{"socket": "/run/store/lmtp", "protocol": "Lmtp"}]},
        {"name": "purge", "enabled": false},
        {"name": "imap", "command": dovecot("imap")},
        {"name": "pop", "command": dovecot("pop")},
        {"name": "http", "command": ["/usr/sbin/nginx", "-e", "stderr", "-c", "/etc/mail/parts/nginx.conf"], "stopSignal": "QUIT"},
        {"name": "dispatcher", "command": postfix("dispatcher")},
        {"name": "job_controller", "command": postfix("job_controller"), "listeners": [{"port": 10025, "protocol": "Smtp"}]},
    ]);
    let mut spec = with(sample("oracle-shaped.yaml"), &services, &mounts);
    // Oracle's own tasks need Oracle's programs.
    let off = |name: &str| json!({"name": name, "enabled": false});
    spec["schedule"] = json!(["expire", "snapshotverify", "purge", "return_job"].map(off));
    spec
}

/// Writes into a book on the volume when it starts and when it stops, so that a test reads in which order that was.
const WRITER: &str = r#"
    my (undef, $name, $seconds) = @ARGV;
    sub book { open my $book, ">>", "/srv/data/book"; print $book "$_[0]$name\n"; close $book }
    book("+");
    $SIG{TERM} = sub { sleep $seconds; book("-"); exit };
    socket(my $socket, AF_UNIX, SOCK_DGRAM, 0);
    send($socket, "READY=1", 0, pack_sockaddr_un($ENV{NOTIFY_SOCKET}));
    sleep 1000 while 1;
"#;

/// A service that does so, and takes so many seconds to stop.
pub(crate) fn writer(name: &str, needs: &[&str], seconds: u32) -> Value {
    json!({
        "name": name, "command": ["perl", "-MSocket", "-e", WRITER, "writer", name, seconds.to_string()],
        "readiness": {"type": "Notify"}, "dependsOn": needs,
    })
}

/// Three of them; `b` needs `a`, and `c` needs `b`.
pub(crate) fn writers() -> Value {
    json!({
        "profile": "Custom", "dataRoot": "/srv/data",
        "autorestart": {"maxRestarts": 5, "timeout": "10m"},
        "services": [writer("a", &[], 0), writer("b", &["a"], 0), writer("c", &["b"], 0)],
        "workload": {"image": IMAGE, "storage": {"size": "1Gi"}},
    })
}

/// The lines of that book.
pub(crate) fn book(server: &Server) -> Vec<String> {
    let text = fs::read_to_string(server.volume().join("book")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Sends a message to anna.
pub(crate) fn send(address: &str, words: &str) {
    let (mut smtp, greeting) = Talk::through(address, 25);
    assert!(greeting.starts_with("220"), "{greeting}");
    smtp.smtp("EHLO test.example.org", "250");
    smtp.smtp("MAIL FROM:<>", "250");
    smtp.smtp("RCPT TO:<anna@example.org>", "250");
    smtp.smtp("DATA", "354");
    smtp.smtp(&format!("Subject: a test\r\n\r\n{words}\r\n."), "250");
    smtp.smtp("QUIT", "221");
}

/// Reads anna's mail until a message with these words is there.
pub(crate) fn receive(address: &str, words: &str) {
    let (mut imap, greeting) = Talk::through(address, 143);
    assert!(greeting.starts_with("* OK"), "{greeting}");
    imap.imap("LOGIN anna secret");
    imap.imap("SELECT INBOX");
    loop {
        // Postfix hands it on in its own time; the connection says when something has come, and gives up after a minute.
        let found = imap.imap(&format!("UID SEARCH TEXT \"{words}\""));
        if found.iter().any(|line| line.strip_prefix("* SEARCH").is_some_and(|uids| !uids.trim().is_empty())) {
            return;
        }
        // What came while it searched is told with its answer, and then not again.
        if !found.iter().any(|line| line.ends_with("EXISTS")) {
            imap.idle();
        }
    }
}
