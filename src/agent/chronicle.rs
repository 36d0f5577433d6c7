//! What happened is told: to the logs, to whoever follows, to systemd, and kept for `history` and `why`.

use std::collections::VecDeque;
use std::path::Path;

use jiff::tz::TimeZone;
use tokio::sync::mpsc::UnboundedSender;

use super::Told;
use crate::desired::Desired;
use crate::document::Settings;
use crate::engine::{ClientNews, Happened, Happening, TaskDid};
use crate::model::{self, Diagnosis, Exit, Name, Now};
use crate::report::default_log::Level;
use crate::report::lines::Stamp;
use crate::report::rotating::{Notice, Rotation};
use crate::report::{Line, Logs, Narrator, Record};

/// How many happenings are kept in memory; older ones are in the event log.
const KEPT: usize = 500;
/// How many complaints of the agent about itself are kept.
const COMPLAINTS: usize = 8;

/// The teller.
pub(super) struct Chronicle {
    logs: Logs,
    narrator: Narrator,
    kept: VecDeque<Happening>,
    followers: Vec<UnboundedSender<Told>>,
    complaints: VecDeque<String>,
    zone: TimeZone,
    pid: i32,
}

impl Chronicle {
    pub(super) fn new(site: &Settings, host: &str, pid: i32) -> Self {
        let zone = TimeZone::system();
        let rotation = Rotation { size: site.rotate_size.unwrap_or(0), keep: site.keep };
        let logs = Logs::new(Path::new(&site.data_root), rotation, host, pid.unsigned_abs(), zone.clone());
        Self {
            logs,
            narrator: Narrator::default(),
            kept: VecDeque::new(),
            followers: Vec::new(),
            complaints: VecDeque::new(),
            zone,
            pid,
        }
    }

    pub(super) fn begins(&mut self, now: Now) {
        self.line(
            now,
            &Line::AgentStarted { pid: self.pid, at: Stamp::new(now.wall, &self.zone) },
            "the agent begins",
            &[],
        );
    }

    pub(super) fn ends(&mut self, now: Now) {
        self.line(
            now,
            &Line::AgentStopped { pid: self.pid, at: Stamp::new(now.wall, &self.zone) },
            "the agent ends",
            &[],
        );
    }

    /// Tells one happening everywhere; the event of a failure has the last lines of the service with it.
    pub(super) fn tell(
        &mut self,
        happening: Happening,
        desired: &Desired,
        last_lines: impl FnOnce(&str) -> Vec<String>,
    ) {
        let failed = happening.service.as_deref().filter(|_| level(&happening.what) == Level::Error);
        let output = &failed.map(last_lines).unwrap_or_default();
        let what = happening.what.to_string();
        let name = happening.subject();
        match level(&happening.what) {
            Level::Critical | Level::Error => tracing::error!("{name}: {what}"),
            Level::Warning => tracing::warn!("{name}: {what}"),
            Level::Notice | Level::Information => tracing::info!("{name}: {what}"),
        }
        if level(&happening.what) <= Level::Warning {
            let notice = self.logs.message(happening.now.wall, level(&happening.what), &format!("{name}: {what}"));
            self.complain_all(notice);
        }
        let lines = self.narrator.tell(&happening, desired);
        if lines.is_empty() {
            let record = Record {
                service: happening.service.as_deref(),
                task: happening.task(),
                what: word(&happening.what),
                reason: &what,
                line: None,
                output,
            };
            let notice = self.logs.event(happening.now.wall, &record);
            self.complain_all(notice);
        }
        for line in &lines {
            self.line(happening.now, line, &what, output);
        }
        let told = Told::from(&happening);
        self.followers.retain(|follower| follower.send(told.clone()).is_ok());
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(happening);
    }

    /// Says something about the agent itself that is no happening of a service.
    pub(super) fn message(&mut self, now: Now, level: Level, text: &str) {
        match level {
            Level::Critical | Level::Error => tracing::error!("{text}"),
            Level::Warning => tracing::warn!("{text}"),
            Level::Notice | Level::Information => tracing::info!("{text}"),
        }
        let notice = self.logs.message(now.wall, level, text);
        self.complain_all(notice);
    }

    fn line(&mut self, now: Now, line: &Line, reason: &str, output: &[String]) {
        let notices = self.logs.line(now.wall, line, reason, output);
        self.complain_all(notices);
    }

    /// Something the agent itself cannot do: on the console and in the condition Degraded, each thing once.
    pub(super) fn complain(&mut self, words: String) {
        tracing::error!("{words}");
        if !self.complaints.contains(&words) {
            self.complaints.truncate(COMPLAINTS - 1);
            self.complaints.push_front(words);
        }
    }

    fn complain_all(&mut self, notices: impl IntoIterator<Item = Notice>) {
        for notice in notices {
            match notice {
                Notice::Lost(words) => self.complain(words),
                Notice::Over { about, words } => self.relieve(&about, &words),
            }
        }
    }

    /// What was complained about works again.
    pub(super) fn relieve(&mut self, about: &str, words: &str) {
        tracing::info!("{words}");
        self.withdraw(about);
    }

    pub(super) fn complaints(&self) -> Vec<String> {
        self.complaints.iter().cloned().collect()
    }

    /// The same services do not fail for ever: a complaint ends when what it is about works again.
    pub(super) fn withdraw(&mut self, begins_with: &str) {
        self.complaints.retain(|words| !words.starts_with(begins_with));
    }

    pub(super) fn follow(&mut self, follower: UnboundedSender<Told>) {
        self.followers.push(follower);
    }

    /// What happened, oldest first, to one service or task or to all.
    pub(super) fn history(&self, service: Option<&Name>) -> Vec<Told> {
        let wanted = |happening: &&Happening| service.is_none_or(|name| happening.subject() == &**name);
        self.kept.iter().filter(wanted).map(Told::from).collect()
    }

    pub(super) fn reopen(&mut self) {
        self.logs.reopen();
    }
}

/// How grave a happening is ([R12]: failures go to console, default log and watcher log).
fn level(what: &Happened) -> Level {
    match what {
        Happened::Crashed { .. }
        | Happened::NotSpawned { .. }
        | Happened::NotReadyInTime
        | Happened::Hangs { .. }
        | Happened::LeftHanging { .. }
        | Happened::GaveUp { .. }
        | Happened::OnlyReported { .. }
        | Happened::ClientsGaveUp { .. }
        | Happened::HandsOver
        | Happened::StopFailed => Level::Error,
        Happened::Probed {
            diagnosis:
                Diagnosis::Slow(_)
                | Diagnosis::Refuses(_)
                | Diagnosis::BadCertificate(_)
                | Diagnosis::Violates(_)
                | Diagnosis::Unknown(_)
                | Diagnosis::Excused(_)
                | Diagnosis::Fails(_),
        }
        | Happened::Measured { level: model::Level::Crossed | model::Level::Unknown, .. }
        | Happened::Stressed
        | Happened::RestartsAlone { .. }
        | Happened::GroupRestarts { .. }
        | Happened::Retried
        | Happened::Killed { .. }
        | Happened::Foreign { .. }
        | Happened::ReloadFailed { .. }
        | Happened::CheckFailed { .. } => Level::Warning,
        Happened::Probed { diagnosis: Diagnosis::Answers }
        | Happened::Measured { level: model::Level::Within, .. }
        | Happened::Ordered { .. }
        | Happened::HeldBy { .. }
        | Happened::Forgiven
        | Happened::ToRestart { .. }
        | Happened::DocumentAccepted { .. }
        | Happened::Ending
        | Happened::Forgotten => Level::Notice,
        Happened::Started { .. }
        | Happened::Ready { .. }
        | Happened::Recovers
        | Happened::Adopted { .. }
        | Happened::Asked { .. }
        | Happened::Stopped { .. }
        | Happened::Reloaded => Level::Information,
        Happened::Client { news, .. } => match news {
            ClientNews::Froze { .. } | ClientNews::Died { .. } | ClientNews::OnlyReported { .. } => Level::Error,
            ClientNews::LostItsLine | ClientNews::Stressed | ClientNews::EndedUnheard { .. } => Level::Warning,
            ClientNews::Registered | ClientNews::SaidGoodbye => Level::Information,
        },
        Happened::Task { did, .. } => match did {
            TaskDid::NotStarted { .. } | TaskDid::StopFailed => Level::Error,
            TaskDid::Ended { exit: Exit::Code(0), overdue: false, .. }
            | TaskDid::Began { .. }
            | TaskDid::Adopted { .. }
            | TaskDid::Probed => Level::Information,
            TaskDid::Ended { .. }
            | TaskDid::NotSeen
            | TaskDid::TimedOut { .. }
            | TaskDid::Killed
            | TaskDid::Skipped { .. }
            | TaskDid::Missed { .. } => Level::Warning,
        },
    }
}

/// One CamelCase word for programs.
fn word(what: &Happened) -> &'static str {
    match what {
        Happened::Started { .. } => "Started",
        Happened::Ready { .. } => "Ready",
        Happened::Recovers => "Recovers",
        Happened::Adopted { .. } => "Adopted",
        Happened::Crashed { .. } => "Crashed",
        Happened::NotSpawned { .. } => "NotSpawned",
        Happened::NotReadyInTime => "NotReadyInTime",
        Happened::Probed { .. } => "Probed",
        Happened::Measured { .. } => "Measured",
        Happened::Stressed => "Stressed",
        Happened::Hangs { .. } => "Hangs",
        Happened::LeftHanging { .. } => "LeftHanging",
        Happened::RestartsAlone { .. } => "RestartsAlone",
        Happened::GroupRestarts { .. } => "GroupRestarts",
        Happened::GaveUp { .. } => "GaveUp",
        Happened::OnlyReported { .. } => "OnlyReported",
        Happened::ClientsGaveUp { .. } => "ClientsGaveUp",
        Happened::HandsOver => "HandsOver",
        Happened::Client { news, .. } => match news {
            ClientNews::Registered => "ClientRegistered",
            ClientNews::SaidGoodbye => "ClientSaidGoodbye",
            ClientNews::LostItsLine => "ClientLostItsLine",
            ClientNews::Stressed => "ClientStressed",
            ClientNews::Froze { .. } => "ClientFroze",
            ClientNews::Died { .. } => "ClientDied",
            ClientNews::OnlyReported { .. } => "OnlyReported",
            ClientNews::EndedUnheard { .. } => "ClientEndedUnheard",
        },
        Happened::Forgiven => "Forgiven",
        Happened::Retried => "Retried",
        Happened::ToRestart { .. } => "ToRestart",
        Happened::Asked { .. } => "Asked",
        Happened::Killed { .. } => "Killed",
        Happened::Stopped { .. } => "Stopped",
        Happened::StopFailed => "StopFailed",
        Happened::Foreign { .. } => "Foreign",
        Happened::Reloaded => "Reloaded",
        Happened::ReloadFailed { .. } => "ReloadFailed",
        Happened::CheckFailed { .. } => "CheckFailed",
        Happened::Ordered { .. } => "Ordered",
        Happened::HeldBy { .. } => "HeldBy",
        Happened::Forgotten => "Forgotten",
        Happened::DocumentAccepted { .. } => "DocumentAccepted",
        Happened::Ending => "Ending",
        Happened::Task { did, .. } => did.word(),
    }
}
