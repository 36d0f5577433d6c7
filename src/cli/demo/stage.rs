//! The demo's server: its folder and document, its agent, and the certainty at the end that nothing is left.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{WaitOptions, wait};
use tokio::time::{Instant, sleep};

use super::folder::Folder;
use super::{Parts, Signals};
use crate::cli::args::{Agent, Place};
use crate::cli::failure::{CANNOT_CREATE, Failure, SYSTEM, UNAVAILABLE};
use crate::cli::oracle::{self, StartMsg, StopMsg};
use crate::cli::terminal::{print, say};
use crate::control::{Client, Ending};
use crate::demo::debian::{Missing, missing, oracle_of_debian_parts};
use crate::demo::{DocumentText, OraclePorts, ServiceText, oracle_document, prepare};

/// The word after the program that makes it a stand-in.
pub(super) const STAND_IN: &str = "stand-in";
/// How long the stand-in of the store says that it recovers: long enough for a person to see it.
const RECOVERY: Duration = Duration::from_secs(2);
/// The same for a tour that nobody may be watching.
const SHORT_RECOVERY: Duration = Duration::from_millis(300);
/// How often it is looked whether somebody has ended, or answers.
const LOOK: Duration = Duration::from_millis(20);
/// How long an agent that was just launched may take to answer before it counts as gone.
const NEWBORN: Duration = Duration::from_secs(3);
/// How long all processes may take to end once the agent was told to: the stop time-outs of the services are in it.
const FAREWELL: Duration = Duration::from_mins(3);
/// The stand-ins by their kind, and the programs of the real product in whose place they are: so the watcher log reads
/// as an Oracle administrator knows it.
const PROGRAMS: [(&str, &str); 8] = [
    ("ens", "enpd"),
    ("store", "stored"),
    ("purge", "impurge"),
    ("imap", "imapd"),
    ("pop3", "popd"),
    ("http", "mshttpd"),
    ("smtp", "dispatcher"),
    ("delivery", "job_controller"),
];
/// `EX_NOPERM`.
const NOT_ALLOWED: u8 = 77;

/// A demo's server.
pub(super) struct Stage {
    folder: Folder,
    place: Place,
    client: Client,
    /// Its document as it was last written.
    pub(super) document: DocumentText,
    /// Where it listens.
    pub(super) ports: OraclePorts,
}

impl Stage {
    /// Writes everything; starts nothing.
    pub(super) fn set(with: Parts, is_tour: bool) -> Result<Self, Failure> {
        let system = |error: &dyn std::error::Error| Failure::of(SYSTEM, error);
        match (with, missing()) {
            (Parts::Debian, Some(reason @ Missing::Packages(_))) => {
                return Err(Failure::new(UNAVAILABLE, reason.to_string()));
            }
            (Parts::Debian, Some(reason @ Missing::Root)) => return Err(Failure::new(NOT_ALLOWED, reason.to_string())),
            (Parts::Debian, None) | (Parts::StandIns, _) => {}
        }
        // What an agent leaves behind becomes our child, and not one of process 1: see `is_alone`.
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).map_err(|error| system(&error))?;
        let program = std::env::current_exe().map_err(|error| system(&error))?;
        let ports = OraclePorts::pick().map_err(|error| system(&error))?;
        let folder = Folder::make()?;
        let root = folder.path();
        let recovery = if is_tour { SHORT_RECOVERY } else { RECOVERY };
        let mut document = match with {
            Parts::StandIns => {
                prepare(root).map_err(|error| Failure::of(CANNOT_CREATE, &error))?;
                oracle_document(root, &program, ports, recovery)
            }
            Parts::Debian => oracle_of_debian_parts(root, ports).map_err(|error| Failure::of(CANNOT_CREATE, &error))?,
        };
        for service in &mut document.services {
            if let [program, word, kind, ..] = service.command.as_mut_slice()
                && word == STAND_IN
                && let Some((_, name)) = PROGRAMS.iter().find(|(known, _)| kind == known)
            {
                *program = format!("lib/{name}");
            }
        }
        if is_tour {
            impatient(&mut document);
        }
        let place = Place {
            config: Some(root.join("mailward.yaml")),
            state_dir: Some(root.join("state")),
            runtime_dir: Some(root.join("run")),
        };
        let client = Client::new(root.join("run/control.sock"));
        let stage = Self { folder, place, client, document, ports };
        stage.write(&stage.document.to_string())?;
        stage.link(&program).map_err(|error| Failure::of(CANNOT_CREATE, &error))?;
        Ok(stage)
    }

    /// Commands and stand-ins where an Oracle administrator looks for them: below the server's home.
    fn link(&self, program: &Path) -> std::io::Result<()> {
        let link = |folder: &str, names: &[&str]| {
            let folder = self.document.server_root.join(folder);
            std::fs::create_dir_all(&folder)?;
            names.iter().try_for_each(|name| std::os::unix::fs::symlink(program, folder.join(name)))
        };
        link("bin", &["mailward", "start-msg", "stop-msg", "refresh"])?;
        link("lib", &PROGRAMS.map(|(_, name)| name))
    }

    /// One more service, of a stand-in.
    pub(super) fn stand_in(&self, name: &str, kind: &str) -> ServiceText {
        let program = PROGRAMS.iter().find(|(known, _)| *known == kind).map_or(kind, |(_, program)| program);
        let data = self.document.data_root.to_string_lossy();
        ServiceText::new(name, [&format!("lib/{program}"), STAND_IN, kind, "--data", &data])
    }

    /// Where the commands are.
    pub(super) fn bin(&self) -> PathBuf {
        self.document.server_root.join("bin")
    }

    /// The folder of it all.
    pub(super) fn root(&self) -> &Path {
        self.folder.path()
    }

    /// The document's file.
    pub(super) fn file(&self) -> PathBuf {
        self.folder.path().join("mailward.yaml")
    }

    /// The way to the agent.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Writes the document as an editor does: another file, renamed over the old one.
    pub(super) fn write(&self, text: &str) -> Result<(), Failure> {
        let (file, new) = (self.file(), self.folder.path().join(".mailward.yaml.new"));
        std::fs::write(&new, text)
            .and_then(|()| std::fs::rename(&new, &file))
            .map_err(|error| Failure::new(CANNOT_CREATE, format!("{}: {error}", file.display())))
    }

    /// `start-msg`, in its words; launches the agent where none runs.
    pub(super) async fn start(&self, components: &[&str]) -> Result<u8, Failure> {
        let components = components.iter().map(|name| (*name).to_owned()).collect();
        let said = StartMsg { components, place: self.place.clone(), ends_with_us: true };
        oracle::start(&Agent::default(), &said).await
    }

    /// `stop-msg`, in its words.
    pub(super) async fn stop(&self, components: &[&str], force: bool) -> Result<u8, Failure> {
        let components = components.iter().map(|name| (*name).to_owned()).collect();
        oracle::stop(&Agent::default(), &StopMsg { components, force, place: self.place.clone() }).await
    }

    /// Stops everything in order, ends the agent, waits for the last process and removes the folder. A second signal
    /// makes it KILL at once.
    pub(super) async fn end(&self, signals: &mut Signals) -> Result<(), Failure> {
        let begun = Instant::now();
        // An agent that is being launched is soon there; one that was killed has left its services to us.
        while !is_alone() && self.client.status().await.is_err() && begun.elapsed() < NEWBORN {
            sleep(LOOK).await;
        }
        if !is_alone() {
            self.say_goodbye(signals).await;
        }
        let begun = Instant::now();
        while !is_alone() {
            if begun.elapsed() > FAREWELL {
                let words = format!("processes of the demo do not end; see {}", self.root().display());
                return Err(Failure::new(SYSTEM, words));
            }
            sleep(LOOK).await;
        }
        self.folder.remove()
    }

    /// In Oracle's words; where those cannot be said (the terminal is gone), without.
    async fn say_goodbye(&self, signals: &mut Signals) {
        if self.client.status().await.is_err() {
            // The agent was killed or sent away: the next one adopts what runs and holds what does not.
            let _ = self.start(&["watcher"]).await;
        }
        let stopped = tokio::select! {
            stopped = self.stop(&[], false) => stopped,
            () = signals.next() => {
                let _ = print("\n");
                self.stop(&[], true).await
            }
        };
        let ended = match stopped {
            Ok(_) => self.stop(&["watcher"], false).await,
            Err(failure) => Err(failure),
        };
        if let Err(failure) = ended {
            if !failure.words.is_empty() {
                say(&format!("mailward: {}", failure.words));
            }
            // Nobody answers where it has ended already.
            let _ = self.client.end(Ending::Everything).await;
        }
    }
}

/// A tour waits for what hangs and for what does not stop: not as long as the profile would, and whatever burdens the
/// machine meanwhile.
fn impatient(document: &mut DocumentText) {
    document.fields.push(("probes", "{pressureThreshold: 100}".to_owned()));
    if let Some(frozen) = document.service("dispatcher") {
        frozen.set("probes", "{timeout: 3s, warningThreshold: 2s}");
        frozen.set("stopTimeout", "3s");
    }
}

/// Takes leave of children that have ended; whether none is left, and so no process of the demo.
pub(super) fn is_alone() -> bool {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) => {}
            Ok(None) => return false,
            Err(error) if error == rustix::io::Errno::INTR => {}
            // ECHILD
            Err(_) => return true,
        }
    }
}
