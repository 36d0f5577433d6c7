//! The servers' own configuration files change.

use super::server::{Server, pair};
use super::talk::{greeting, page};
use crate::running::eventually;

const DOVECOT: &str = "etc/dovecot.conf";
const POSTFIX: &str = "postfix/etc/main.cf";
const NGINX: &str = "nginx/nginx.conf";
const ALL: [&str; 3] = ["dovecot", "postfix", "web"];

/// A line more of the same configuration.
fn appended(line: &str) -> impl FnOnce(&str) -> String {
    move |text| format!("{text}{line}\n")
}

/// One of these changes was told so often.
fn told(server: &Server, what: &str, times: usize) {
    for name in ALL {
        server.happens(&format!("{name} {what}"), times);
    }
}

#[test]
fn r19_an_edited_configuration_is_reloaded_and_clients_see_it_while_sessions_go_on() {
    let server = pair().started();
    let before = server.status();
    let (mut imap, mut smtp) = (server.imap_client(), server.smtp_client());
    server.edit(DOVECOT, appended("login_greeting = from the second configuration"));
    server.edit(POSTFIX, appended("smtpd_banner = $myhostname from the second configuration"));
    server.edit(NGINX, |text| text.replace("    root ", "    add_header X-From second;\n    root "));
    told(&server, "Reloaded", 1);
    for port in [server.imap, server.smtp] {
        eventually("the new greeting", || {
            greeting(port).filter(|line| line.ends_with("from the second configuration"))
        });
    }
    eventually("the new page", || page(server.http).filter(|page| page.contains("\r\nX-From: second\r\n")));
    imap.noop().unwrap();
    assert!(smtp.says("NOOP").starts_with("250 "));
    server.carries("after");
    assert_eq!(server.all_ready().pids(), before.pids());
    assert_eq!(
        (server.times("dovecot Reloaded"), server.times("postfix Reloaded"), server.times("web Reloaded")),
        (1, 1, 1)
    );
}

#[test]
fn r19_a_configuration_that_the_products_own_checker_refuses_stops_nothing_and_status_says_so() {
    let server = pair().started();
    let before = server.status();
    let mut imap = server.imap_client();
    server.edit(DOVECOT, appended("login_greeting is no setting"));
    // Workers of Postfix read this file when they begin; this is an error that only the checker cares about.
    server.edit(POSTFIX, |text| text.replace("command_directory = /usr/sbin", "command_directory = /nowhere"));
    server.edit(NGINX, appended("nonsense;"));
    told(&server, "CheckFailed", 1);
    let status = server.settled();
    for (name, words) in
        [("dovecot", "Error in configuration file"), ("postfix", "exited with code 1"), ("web", "nonsense")]
    {
        let reason = status.reason(name);
        assert!(reason.starts_with("runs the previous configuration") && reason.contains(words), "{name}: {reason}");
        let refused = server.run(&["restart", name]);
        assert_eq!(refused.code, 78, "{refused:?}");
        let refused = server.run(&["reload", name]);
        assert_eq!(refused.code, 78, "{refused:?}");
    }
    assert_eq!(status.condition("Degraded").0, "True");
    // Where nobody looks at a terminal, Postfix's commands tell everything to the log of the running instance.
    eventually("the words of `postfix check`", || server.read("m/data/log/postfix").contains("/nowhere").then_some(()));
    imap.noop().unwrap();
    server.carries("meanwhile");
    assert!(page(server.http).unwrap().starts_with("HTTP/1.1 200 "));
    assert_eq!(server.status().pids(), before.pids());
    assert_eq!((server.times("dovecot Asked"), server.times("dovecot Reloaded")), (0, 0));

    server.edit(DOVECOT, |text| text.replace("login_greeting is no setting", "login_greeting = mended"));
    server.edit(POSTFIX, |text| text.replace("/nowhere", "/usr/sbin"));
    server.edit(NGINX, |text| text.replace("nonsense;", ""));
    eventually("the mended one", || greeting(server.imap).filter(|line| line.ends_with("mended")));
    let status = server.until("well", |status| status.condition("Degraded").0 == "False");
    assert_eq!(status.pids(), before.pids());
    imap.noop().unwrap();
}

#[test]
fn r19_a_person_may_force_a_restart_past_the_checker_and_a_mended_file_ends_what_comes_of_it() {
    let server = pair().started();
    let before = server.status();
    server.edit(DOVECOT, appended("login_greeting is no setting"));
    server.happens("dovecot CheckFailed", 1);
    server.run(&["restart", "--force", "--no-wait", "dovecot"]);
    let status = server.until("it gave up", |status| status.service("dovecot")["gaveUp"] == true);
    assert_eq!(status.pid("postfix"), before.pid("postfix"));
    let words = status.service("dovecot").to_string();
    assert!(words.contains("Error in configuration file"), "its last words are Dovecot's: {words}");
    server.send("meanwhile");
    server.edit(DOVECOT, |text| text.replace("login_greeting is no setting", "login_greeting = mended"));
    server.all_ready();
    server.read_by_imap("meanwhile");
    assert!(greeting(server.imap).unwrap().ends_with("mended"));
}
