//! The control socket: who may ask, and what is told.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::command_line::{ALL, running};
use super::house::{House, is_alive, said, services};
use crate::running::copy_program;

#[test]
fn another_user_may_not_ask_and_may_only_read_when_the_document_says_so() {
    let closed = services(&ALL);
    let mut house = House::new(&closed);
    // The binary must be within reach of another user.
    let copy = house.path("mailward");
    copy_program(&copy);
    house.start();
    house.all_ready();
    let as_nobody = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(&copy).args(words);
        command.arg("--socket").arg(house.path("run/control.sock")).env("NO_COLOR", "1").stdin(Stdio::null());
        said(command)
    };
    let refused = as_nobody(&["status"]);
    assert!(refused.code == 4 && refused.err.contains("may not ask the agent"), "{refused:?}");
    let refused = as_nobody(&["stop", "imap"]);
    assert_eq!(refused.code, 77, "{refused:?}");
    house.declare(&format!("  control: {{othersMayRead: true}}\n{closed}"));
    house.happens("DocumentAccepted", 1);
    assert_eq!(as_nobody(&["status"]).code, 0);
    assert_eq!(as_nobody(&["plan"]).code, 0);
    assert_eq!(as_nobody(&["history"]).code, 0);
    for words in [&["stop", "imap"][..], &["start"], &["stop", "--force"], &["hold", "imap"], &["stop-msg", "watcher"]]
    {
        let refused = as_nobody(words);
        assert_eq!(refused.code, 77, "{words:?} {refused:?}");
    }
    assert!(house.status().is_ready("imap") && house.status().service("imap")["held"] == false);
    house.declare(&closed);
    house.happens("DocumentAccepted", 2);
    assert_eq!(as_nobody(&["status"]).code, 4);
    let mode = fs::metadata(house.path("run/control.sock")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn curl_talks_to_the_control_socket() {
    let house = running();
    let curl = |words: &[&str]| {
        let mut command = Command::new("/usr/bin/curl");
        command.args(["--silent", "--show-error", "--unix-socket"]).arg(house.path("run/control.sock")).args(words);
        said(command)
    };
    let status: Value = serde_json::from_str(&curl(&["http://agent/v1/status"]).out).unwrap();
    assert_eq!(status["kind"], "MessagingServer");
    let order = r#"{"verb":"stop","services":["smtp"]}"#;
    let answer: Value = serde_json::from_str(&curl(&["-d", order, "http://agent/v1/orders"]).out).unwrap();
    assert_eq!((&answer[0]["service"], &answer[0]["outcome"]), (&"smtp".into(), &"doing".into()));
    house.until("smtp is down", |status| status.pid("smtp").is_none());
    let described: Value = serde_json::from_str(&curl(&["http://agent/v1/openapi.json"]).out).unwrap();
    assert!(described["paths"]["/v1/orders"].is_object());
    let wrong = curl(&["-o", "/dev/null", "-w", "%{http_code}", "http://agent/v2/nothing"]);
    assert_eq!(wrong.out, "404");
    let wrong = curl(&["-d", "{\"verb\":\"explode\"}", "-w", "%{http_code}", "http://agent/v1/orders"]);
    assert!(wrong.out.contains("explode") && wrong.out.ends_with("400"), "{wrong:?}");
}

#[test]
fn events_are_told_as_they_happen_each_on_a_line() {
    use std::io::BufRead as _;
    let house = running();
    let mut curl = Command::new("/usr/bin/curl")
        .args(["--silent", "--no-buffer", "--unix-socket"])
        .arg(house.path("run/control.sock"))
        .arg("http://agent/v1/events")
        .stdout(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let mut lines = std::io::BufReader::new(curl.stdout.take().unwrap()).lines();
    let pid = house.status().pid("smtp").unwrap();
    // Followed or not yet: sooner or later a restart is told, however often it takes.
    let reader = std::thread::spawn(move || lines.next().unwrap().unwrap());
    while !reader.is_finished() {
        house.does(&["restart", "smtp"]);
    }
    let told: Value = serde_json::from_str(&reader.join().unwrap()).unwrap();
    assert!(told["time"].is_string() && told["event"]["event"].is_string(), "{told}");
    curl.kill().unwrap();
    curl.wait().unwrap();
    assert!(!is_alive(pid));
}
