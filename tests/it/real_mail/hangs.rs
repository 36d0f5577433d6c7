//! Real servers that live and do not answer, or answer badly: what a round of probes finds, and what the agent does.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use mailward::demo::{DOMAIN, USER};
use rustix::process::Signal;
use serde_json::Value;

use super::server::{Server, pair};
use super::talk::greeting;
use crate::asking_tls::Office;
use crate::processes::Process;
use crate::running::{eventually, program};

const ALL: [&str; 3] = ["dovecot", "postfix", "web"];

/// What is frozen is not waited for long.
const BRIEF: &str = "3s";
/// What is to answer has all the time that a busy machine may take.
const LONG: &str = "1m";

/// Rounds come when they are asked for and wait so long for an answer; what is frozen and told to end has little time for
/// it. What the test machine suffers excuses nothing.
fn probed(timeout: &str) -> Server {
    let mut server = pair();
    let rounds = "warningThreshold: 2s, failureThreshold: 1, period: 1h, pressureThreshold: 100";
    server.document.fields.push(("probes", format!("{{timeout: {timeout}, {rounds}}}")));
    for name in ALL {
        server.document.service(name).unwrap().set("stopTimeout", "1s");
    }
    server.write();
    server
}

/// What one round says of a service: `Answers`, `Fails`, ...
fn round(server: &Server, service: &str) -> Value {
    let said = server.run(&["probe", service, "-o", "json"]);
    let report: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    report["services"].as_array().unwrap().iter().find(|one| one["service"] == service).unwrap().clone()
}

/// Asks for rounds until one says this; a prober that was held up itself does not know, and is asked again.
fn is_found(server: &Server, service: &str, health: &str) -> Value {
    let mut said = Value::Null;
    eventually(&format!("{service} is found so: {health}"), || {
        said = round(server, service);
        (said["health"] == health).then_some(())
    });
    said
}

/// Freezes these processes of a service and sees that a round finds it, that it alone is restarted, and that the frozen
/// ones are gone.
fn is_mended(server: &Server, service: &str, frozen: &[Process]) {
    let before = server.status();
    let told = server.history().len();
    for process in frozen {
        process.signal(Signal::STOP);
    }
    let hangs = format!("{service} Hangs");
    eventually(&format!("a round finds {service} with {frozen:?} frozen"), || {
        server.run(&["probe", service]);
        server.history()[told..].contains(&hangs).then_some(())
    });
    server.again(service, before.pid(service).unwrap());
    let left: Vec<&Process> = frozen.iter().filter(|process| process.lives()).collect();
    assert!(left.is_empty(), "of the frozen there is still {left:?}");
    let status = server.all_ready();
    for other in ALL.iter().filter(|name| **name != service) {
        assert_eq!(status.pid(other), before.pid(other), "{other} has nothing to do with it");
    }
    assert_eq!(server.steps(told, &ALL), [format!("-{service}"), format!("+{service}")]);
    assert_eq!(server.history()[told..].iter().filter(|line| line.ends_with(" Crashed")).count(), 0);
}

/// What was kept of the hangs of a service, one text each.
fn evidence(server: &Server, service: &str) -> Vec<String> {
    let files = fs::read_dir(server.path(&format!("state/evidence/{service}"))).unwrap();
    files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
}

#[test]
fn r08_a_real_dovecot_frozen_in_one_process_its_master_or_as_a_whole_is_found_and_restarted() {
    let server = probed(BRIEF);
    // One process for all logins: with more, another one answers in its place.
    server.edit("etc/dovecot.conf", |text| {
        let one = "service imap-login {\n  service_count = 0\n  process_min_avail = 1\n  process_limit = 1\n";
        text.replace("service imap-login {\n", one)
    });
    let server = server.started();
    is_mended(&server, "dovecot", &[server.worker("dovecot", "imap-login")]);
    server.carries("after a worker's hang");
    let kept = evidence(&server, "dovecot").concat();
    assert!(kept.contains("dovecot hangs: Imap ") && kept.contains("Silent after"), "{kept}");

    // A master alone serves nobody who is new: what waits for clients is gone first, as it goes by itself.
    let family = server.family("dovecot");
    family[0].signal(Signal::STOP);
    for waiting in family[1..].iter().filter(|process| process.name.ends_with("-login")) {
        waiting.signal(Signal::KILL);
    }
    is_mended(&server, "dovecot", &family[..1]);
    is_mended(&server, "dovecot", &server.family("dovecot"));
    server.carries("after all hung");
}

#[test]
fn r08_a_real_postfix_frozen_in_one_process_its_master_or_as_a_whole_is_found_and_restarted() {
    let server = probed(BRIEF).started();
    // While one of them is idle the master starts no other.
    assert!(greeting(server.smtp).is_some());
    is_mended(&server, "postfix", &[server.worker("postfix", "smtpd")]);
    server.carries("after a worker's hang");

    let master = server.worker("postfix", "master");
    master.signal(Signal::STOP);
    for waiting in server.family("postfix").iter().filter(|process| process.name == "smtpd") {
        waiting.signal(Signal::KILL);
    }
    is_mended(&server, "postfix", &[master]);
    is_mended(&server, "postfix", &server.family("postfix"));
    server.carries("after all hung");
}

#[test]
fn r08_a_real_nginx_frozen_in_its_worker_or_as_a_whole_is_restarted_and_its_frozen_master_serves_on() {
    let server = probed(BRIEF).started();
    let family = server.family("web");
    family[0].signal(Signal::STOP);
    is_found(&server, "web", "Answers");
    family[0].signal(Signal::CONT);
    assert_eq!(server.times("web Hangs"), 0);
    // The kernel accepts in its name, and nobody ever answers.
    is_mended(&server, "web", &family[1..]);
    is_mended(&server, "web", &server.family("web"));
    is_found(&server, "web", "Answers");
}

#[test]
fn r08_a_real_postfix_that_greets_and_hangs_at_rcpt_is_found_where_rcpt_is_asked_and_one_that_refuses_is_not_restarted()
{
    let mut server = probed(BRIEF);
    let policy = TcpListener::bind("127.0.0.1:0").unwrap();
    let asks = format!(
        "smtpd_recipient_restrictions = check_policy_service inet:{}\nsmtpd_policy_service_try_limit = 1\n",
        policy.local_addr().unwrap()
    );
    server.edit("postfix/etc/main.cf", |text| format!("{text}{asks}"));
    let smtp = server.smtp;
    declare(&mut server, "postfix", &format!("[{{port: {smtp}, protocol: Smtp}}]"));
    let mut server = server.started();
    is_found(&server, "postfix", "Answers");
    assert_eq!(server.times("postfix Hangs"), 0, "who is not asked for RCPT does not know");

    let generation = server.status().generation();
    declare(&mut server, "postfix", &format!("[{{port: {smtp}, protocol: Smtp, recipient: {USER}@{DOMAIN}}}]"));
    server.until("the edit applied", |status| status.generation() > generation);
    let before = server.status().pid("postfix").unwrap();
    eventually("a round finds it", || {
        server.run(&["probe", "postfix"]);
        (server.times("postfix Hangs") > 0).then_some(())
    });
    let now = server.again("postfix", before);
    let kept = evidence(&server, "postfix").concat();
    assert!(kept.contains(&format!("C: RCPT TO:<{USER}@{DOMAIN}>")), "{kept}");

    // Nobody takes its question any more, and it says so: an answer, and no reason for a restart.
    drop(policy);
    let hangs = server.times("postfix Hangs");
    let said = is_found(&server, "postfix", "Refuses");
    assert!(said.to_string().contains("451 "), "{said:#}");
    assert_eq!((server.times("postfix Hangs"), server.status().pid("postfix")), (hangs, Some(now)));
    assert_eq!(server.status().condition("Degraded").0, "True");
}

/// Other listeners in the place of those that the service has.
fn declare(server: &mut Server, service: &str, listeners: &str) {
    let service = server.document.service(service).unwrap();
    service.listeners.clear();
    service.set("listeners", listeners);
    server.write();
}

#[test]
fn r08_expired_certificates_of_real_servers_are_reported_and_nothing_is_restarted() {
    let mut server = probed(LONG);
    let issued = Office::open().issue("mail.example.test", 2020, 2021);
    server.put("m/etc/expired.pem", &format!("{}{}", issued.key, issued.pem));
    let file = server.path("m/etc/expired.pem").to_str().unwrap().to_owned();
    server.edit("etc/dovecot.conf", |text| {
        text.replace("ssl = no\n", &format!("ssl = yes\nssl_cert = <{file}\nssl_key = <{file}\n"))
    });
    server.edit("postfix/etc/main.cf", |text| {
        let tls = format!("smtpd_tls_security_level = may\nsmtpd_tls_chain_files = {file}\n");
        text.replace("smtpd_tls_security_level = none\n", &tls)
    });
    let (imap, smtp) = (server.imap, server.smtp);
    declare(&mut server, "dovecot", &format!("[{{port: {imap}, protocol: Imap, tls: StartTls}}]"));
    declare(&mut server, "postfix", &format!("[{{port: {smtp}, protocol: Smtp, tls: StartTls}}]"));
    let server = server.started();
    let before = server.status().pids();
    for name in ["dovecot", "postfix"] {
        let said = is_found(&server, name, "BadCertificate");
        assert!(said.to_string().contains("2021-01-01"), "{said:#}");
        assert_eq!(server.run(&["probe", name]).code, 1);
        assert_eq!(server.times(&format!("{name} Hangs")), 0);
        assert!(server.status().is_ready(name), "it serves");
    }
    assert_eq!(server.status().condition("Degraded").0, "True");
    assert_eq!(server.status().pids(), before);
}

/// Another certificate in the file that Dovecot serves one from, good until this year.
fn renew(server: &Server, office: &Office, until: i32) {
    let issued = office.issue("mail.example.test", 2020, until);
    server.put("m/etc/served.new", &format!("{}{}", issued.key, issued.pem));
    fs::rename(server.path("m/etc/served.new"), server.path("m/etc/served.pem")).unwrap();
}

/// Dovecot with a certificate, whose file is watched or not, and the office that signs.
fn with_certificate(is_watched: bool) -> (Server, Office) {
    let (mut server, office) = (probed(LONG), Office::open());
    renew(&server, &office, 2100);
    let file = server.path("m/etc/served.pem").to_str().unwrap().to_owned();
    server.edit("etc/dovecot.conf", |text| {
        text.replace("ssl = no\n", &format!("ssl = yes\nssl_cert = <{file}\nssl_key = <{file}\n"))
    });
    let listener = format!("[{{port: {}, protocol: Imap, tls: StartTls, certificateFile: {file}}}]", server.imap);
    let watched = if is_watched { format!("[{file}]") } else { "[]".to_owned() };
    server.document.service("dovecot").unwrap().set("watchFiles", watched);
    declare(&mut server, "dovecot", &listener);
    let server = server.started();
    is_found(&server, "dovecot", "Answers");
    (server, office)
}

#[test]
fn r08_c21_a_renewed_certificate_that_a_real_server_has_not_loaded_is_named_and_nothing_more() {
    let (server, office) = with_certificate(false);
    let before = server.status().pid("dovecot");
    renew(&server, &office, 2110);
    let said = is_found(&server, "dovecot", "BadCertificate");
    assert!(said.to_string().contains("a renewed one that nobody has loaded"), "{said:#}");
    assert_eq!((server.times("dovecot Reloaded"), server.times("dovecot Hangs")), (0, 0));
    assert_eq!(server.status().pid("dovecot"), before);
    // A person may do what is not declared.
    assert_eq!(server.run(&["reload", "dovecot"]).code, 0);
    is_found(&server, "dovecot", "Answers");
}

#[test]
fn r08_c21_a_renewed_certificate_whose_file_is_watched_is_loaded_by_the_reload_that_is_declared() {
    let (server, office) = with_certificate(true);
    let before = server.status().pid("dovecot");
    renew(&server, &office, 2110);
    server.happens("dovecot Reloaded", 1);
    is_found(&server, "dovecot", "Answers");
    assert_eq!(server.times("dovecot Reloaded"), 1);
    assert_eq!(server.status().pid("dovecot"), before, "a reload interrupts nobody");
}

/// The agent with small disks of their own for the store and for the queue, seen below its root only.
fn with_small_disks(server: &mut Server) -> [PathBuf; 2] {
    let places = ["m/store", "m/postfix/queue"].map(|folder| server.path(folder));
    let mount = "mount -t tmpfs -o size=4m,mode=777 tmpfs \"$0\" && mount -t tmpfs -o size=4m,mode=755 tmpfs \"$1\" \
                 && shift && exec \"$@\"";
    let mut command = Command::new("/usr/bin/unshare");
    command.args(["--mount", "/bin/sh", "-c", mount]).args(&places).arg(program());
    server.house.fill_agent(&mut command);
    server.house.start_by(&mut command);
    server.all_ready();
    let root = PathBuf::from(format!("/proc/{}/root", server.agent_pid()));
    places.map(|place| root.join(place.strip_prefix("/").unwrap()))
}

/// Not a byte is left.
fn fill(disk: &Path) {
    let mut file = fs::File::create(disk.join("filler")).unwrap();
    for size in [4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
}

#[test]
fn r08_with_the_disks_of_store_and_queue_full_real_servers_answer_and_are_left_alone_and_no_mail_is_lost() {
    let mut server = probed(LONG);
    // Postfix wants half as much again free for any message.
    server.edit("postfix/etc/main.cf", |text| format!("{text}message_size_limit = 100000\n"));
    let (smtp, to) = (server.smtp, format!("{USER}@{DOMAIN}"));
    declare(&mut server, "postfix", &format!("[{{port: {smtp}, protocol: Smtp, recipient: {to}}}]"));
    let [store, queue] = with_small_disks(&mut server);
    server.carries("before");
    let before = server.status().pids();

    fill(&store);
    server.send("kept in the queue");
    is_found(&server, "dovecot", "Answers");
    is_found(&server, "postfix", "Answers");
    fill(&queue);
    is_found(&server, "dovecot", "Answers");
    let said = is_found(&server, "postfix", "Refuses");
    assert!(said.to_string().contains("452 "), "{said:#}");
    assert_eq!(server.status().condition("Degraded").0, "True");

    for disk in [&queue, &store] {
        fs::remove_file(disk.join("filler")).unwrap();
    }
    is_found(&server, "postfix", "Answers");
    server.read_by_imap("kept in the queue");
    assert_eq!(server.times("dovecot Hangs") + server.times("postfix Hangs"), 0);
    assert_eq!(server.status().pids(), before);
}
