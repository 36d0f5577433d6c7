//! A mail server of Debian's parts in a house of its own.

use std::ops::Deref;

use mailward::demo::client::{Imap, imap_find, send_message};
use mailward::demo::debian::{PairPorts, dovecot_and_postfix, missing, oracle_of_debian_parts};
use mailward::demo::{Address, DOMAIN, DocumentText, OraclePorts, PASSWORD, ServiceText, USER};

use super::talk::{TRY, Talk};
use crate::agent::house::{House, Status};
use crate::processes::{Process, family};
use crate::running::{PATIENCE, eventually};

/// The server, its agent and its client.
pub(super) struct Server {
    pub(super) house: House,
    /// What is in force, to be edited.
    pub(super) document: DocumentText,
    pub(super) smtp: u16,
    pub(super) imap: u16,
    pub(super) pop: u16,
    pub(super) http: u16,
}

impl Deref for Server {
    type Target = House;

    fn deref(&self) -> &House {
        &self.house
    }
}

/// `kind: MessagingServer` of the profile for Dovecot and Postfix, with nginx as a service `web` that the profile does
/// not know, behind Dovecot. Not started.
pub(super) fn pair() -> Server {
    assert_eq!(missing(), None);
    let house = House::empty();
    let ports = PairPorts::pick().unwrap();
    let mut document = dovecot_and_postfix(&house.path("m"), ports).unwrap();
    let web = document.service("nginx").unwrap();
    "web".clone_into(&mut web.name);
    web.set("dependsOn", "[dovecot]");
    // No subject of these tests.
    document.services.push(ServiceText::new("sched", [""; 0]).field("enabled", "false"));
    document.fields.push(("autorestart", "{maxRestarts: 9}".to_owned()));
    let PairPorts { imap, pop, smtp, http, .. } = ports;
    Server { house, document, smtp, imap, pop, http }.written()
}

/// The Oracle profile: store, imap and pop are three instances of Dovecot, http is nginx, dispatcher and
/// `job_controller` are two of Postfix. Not started.
pub(super) fn oracle() -> Server {
    assert_eq!(missing(), None);
    let house = House::empty();
    let ports = OraclePorts::pick().unwrap();
    let document = oracle_of_debian_parts(&house.path("m"), ports).unwrap();
    let OraclePorts { imap, pop, smtp, http, .. } = ports;
    let mut server = Server { house, document, smtp, imap, pop, http };
    // Its place is kept by a stand-in, which proves nothing here.
    let sched = ServiceText::new("sched", [""; 0]).field("enabled", "false");
    server.document.services.push(sched);
    server.written()
}

impl Server {
    /// A machine that is too slow for a time-out is no subject of these tests.
    fn written(mut self) -> Self {
        for service in self.document.services.iter_mut().filter(|service| !service.command.is_empty()) {
            service.set("startTimeout", "10m");
            service.set("stopTimeout", "10m");
        }
        self.write();
        self
    }

    /// Puts the document as it is now in its place.
    pub(super) fn write(&self) {
        self.house.write_document(&self.document.to_string());
    }

    /// With the agent, and everything ready.
    pub(super) fn started(mut self) -> Self {
        self.house.start();
        self.house.all_ready();
        self
    }

    /// A file below the server's folder: read, changed and put in its place by a rename.
    pub(super) fn edit(&self, file: &str, change: impl FnOnce(&str) -> String) {
        let (name, new) = (format!("m/{file}"), format!("m/{file}~"));
        let text = self.house.read(&name);
        let changed = change(&text);
        assert_ne!(text, changed, "{file} is not what it was when this test was written");
        self.house.put(&new, &changed);
        std::fs::rename(self.house.path(&new), self.house.path(&name)).unwrap();
    }

    /// Takes a message by SMTP.
    pub(super) fn send(&self, subject: &str) {
        let (from, to) = (format!("somebody@{DOMAIN}"), format!("{USER}@{DOMAIN}"));
        let smtp = Address::loopback(self.smtp);
        let mut said = String::new();
        eventually(&format!("{subject} is taken"), || {
            let sent = send_message(&smtp, &from, &to, subject, "text", PATIENCE);
            said = sent.as_ref().err().map(ToString::to_string).unwrap_or_default();
            sent.ok()
        });
    }

    /// Waits until it can be read by IMAP.
    pub(super) fn read_by_imap(&self, subject: &str) {
        let imap = Address::loopback(self.imap);
        eventually(subject, || imap_find(&imap, USER, PASSWORD, subject, TRY).is_ok_and(|is| is).then_some(()));
    }

    /// From SMTP to IMAP.
    pub(super) fn carries(&self, subject: &str) {
        self.send(subject);
        self.read_by_imap(subject);
    }

    /// One try of the same.
    pub(super) fn try_carries(&self, subject: &str) -> bool {
        let (smtp, imap) = (Address::loopback(self.smtp), Address::loopback(self.imap));
        let to = format!("{USER}@{DOMAIN}");
        let sent = send_message(&smtp, &to, &to, subject, "text", TRY).is_ok();
        if sent {
            self.read_by_imap(subject);
        }
        sent && imap_find(&imap, USER, PASSWORD, subject, TRY).is_ok()
    }

    /// An IMAP client that stays.
    pub(super) fn imap_client(&self) -> Imap {
        Imap::log_in(&Address::loopback(self.imap), USER, PASSWORD, 10 * PATIENCE).unwrap()
    }

    /// A POP client that stays.
    pub(super) fn pop_client(&self) -> Talk {
        let mut pop = Talk::open(self.pop);
        pop.hears();
        assert!(pop.says(&format!("USER {USER}")).starts_with("+OK"));
        assert!(pop.says(&format!("PASS {PASSWORD}")).starts_with("+OK"));
        pop
    }

    /// An SMTP client that stays.
    pub(super) fn smtp_client(&self) -> Talk {
        let mut smtp = Talk::open(self.smtp);
        smtp.hears();
        assert!(smtp.says("HELO client.example.test").starts_with("250 "));
        smtp
    }

    /// All processes of a running service, its main process first.
    pub(super) fn family(&self, service: &str) -> Vec<Process> {
        family(self.house.status().pid(service).unwrap())
    }

    /// Waits for a process of a service by its name.
    pub(super) fn worker(&self, service: &str, name: &str) -> Process {
        eventually(&format!("{name} of {service}"), || self.family(service).into_iter().find(|one| one.name == name))
    }

    /// The agent's steps of these services, as `-imap` and `+imap`, from an entry of the history on. What a main process
    /// leaves behind when it goes is asked next: that is one step with it.
    pub(super) fn steps(&self, from: usize, services: &[&str]) -> Vec<String> {
        let step = |line: &String| {
            let (service, what) = line.split_once(' ')?;
            let sign = match what {
                "Asked" | "Killed" => '-',
                "Started" => '+',
                _ => return None,
            };
            services.contains(&service).then(|| format!("{sign}{service}"))
        };
        let mut steps: Vec<String> = self.house.history()[from..].iter().filter_map(step).collect();
        steps.dedup();
        steps
    }

    /// Waits until nothing more happens by itself.
    pub(super) fn settled(&self) -> Status {
        self.house.until("settled", |status| status.services().iter().all(|service| service["settled"] == true))
    }
}
