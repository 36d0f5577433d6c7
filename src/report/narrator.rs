//! From happenings to Oracle's lines: who says "done" and when, and where "imap server is not running" belongs.
//!
//! Holds only what a line needs and one happening does not tell: since when something is waited for, and which failed
//! members of a restarting group have not been named yet.

use std::collections::HashMap;
use std::sync::Arc;

use super::lines::{Checked, Dots, Line, Stopped};
use crate::desired::Desired;
use crate::engine::{ClientNews, Happened, Happening};
use crate::model::{Boot, Exit, Name};

/// Turns happenings into lines, in order.
#[derive(Debug, Default)]
pub struct Narrator {
    begun: HashMap<Name, Begun>,
    /// Failed members of a group that restarts, not yet named; the stop sequence names each in its place.
    absent: Vec<Name>,
    /// Who hangs and lives: the stop sequence stops it as it stops the others.
    hung: Vec<Name>,
}

#[derive(Debug)]
struct Begun {
    at: Boot,
    pid: i32,
    killed: bool,
}

impl Narrator {
    /// The lines of one happening; most have one, many have none.
    pub fn tell(&mut self, happening: &Happening, desired: &Desired) -> Vec<Line> {
        let mut lines = Vec::new();
        let Some(name) = happening.service.clone() else { return lines };
        let at = happening.now.boot;
        match &happening.what {
            Happened::Started { pid } => {
                self.name_absent(None, desired, &mut lines);
                self.hung.retain(|hung| *hung != name);
                self.begun.insert(name.clone(), Begun { at, pid: *pid, killed: false });
                if is_lead(&name, desired) {
                    lines.push(Line::Starting { name, pid: *pid, dots: Dots::after(std::time::Duration::ZERO) });
                }
            }
            Happened::Ready { .. } => {
                let Some(begun) = self.begun.remove(&name) else { return lines };
                let dots = Dots::after(at.since(begun.at));
                lines.push(if is_lead(&name, desired) {
                    Line::Checked { name, dots, outcome: Checked::Ready }
                } else {
                    Line::Starting { name, pid: begun.pid, dots }
                });
            }
            Happened::Crashed { pid, exit } => {
                if let Some(begun) = self.begun.remove(&name) {
                    let reason = Arc::from(format!("{exit} before it was ready"));
                    lines.push(start_failed(name.clone(), Dots::after(at.since(begun.at)), reason, desired));
                }
                let process = process_name(&name, desired);
                lines.push(Line::ExitedAbnormally { service: name, process, pid: pid.unwrap_or(0) });
            }
            Happened::NotReadyInTime => {
                let since = self.begun.get(&name).map_or(at, |begun| begun.at);
                let waited = at.since(since);
                let reason = Arc::from(format!("not ready within {} s", waited.as_secs()));
                lines.push(start_failed(name, Dots::after(waited), reason, desired));
            }
            Happened::NotSpawned { error } => {
                let dots = Dots::after(std::time::Duration::ZERO);
                lines.push(Line::StartFailed { name, dots, reason: error.clone() });
            }
            Happened::RestartsAlone { .. } | Happened::Retried => {
                lines.push(Line::RestartRequested { names: vec![name] });
                lines.push(Line::Connecting);
            }
            Happened::GroupRestarts { members, failed, client: _ } => {
                lines.push(Line::RestartRequested { names: members.clone() });
                lines.push(Line::Connecting);
                let gone = failed.iter().filter(|name| !self.hung.contains(name));
                self.absent = gone.cloned().collect();
                self.hung.clear();
            }
            Happened::Asked { pid: Some(pid), .. } => {
                self.begun.insert(name, Begun { at, pid: *pid, killed: false });
            }
            Happened::Killed { pid, .. } => {
                let begun = self.begun.entry(name).or_insert(Begun { at, pid: pid.unwrap_or(0), killed: true });
                begun.killed = true;
            }
            Happened::Stopped { pid, exit } => {
                self.name_absent(Some(&name), desired, &mut lines);
                let begun = self.begun.remove(&name);
                let waited = begun.as_ref().map_or(std::time::Duration::ZERO, |begun| at.since(begun.at));
                let killed = begun.is_some_and(|begun| begun.killed) || *exit == Exit::Signal(9);
                let outcome = if killed { Stopped::Killed } else { Stopped::Done };
                lines.push(Line::Stopping { name, pid: pid.unwrap_or(0), dots: Dots::after(waited), outcome });
            }
            Happened::StopFailed => {
                let begun = self.begun.get(&name);
                let (pid, since) = begun.map_or((0, at), |begun| (begun.pid, begun.at));
                let outcome = Stopped::Failed(Arc::from("KILL left processes"));
                lines.push(Line::Stopping { name, pid, dots: Dots::after(at.since(since)), outcome });
            }
            Happened::GaveUp { charges } => lines.push(Line::GaveUp {
                name,
                failures: u32::try_from(*charges).unwrap_or(u32::MAX).saturating_add(1),
                window: desired.autorestart.window,
            }),
            Happened::Hangs { .. } => {
                if !self.hung.contains(&name) {
                    self.hung.push(name.clone());
                }
                let text = Arc::from(format!("{name} server {}", happening.what));
                lines.push(Line::Said { name, text });
            }
            Happened::Probed { .. } | Happened::LeftHanging { .. } => {
                let text = Arc::from(format!("{name} server {}", happening.what));
                lines.push(Line::Said { name, text });
            }
            Happened::Client { client, pid, news: ClientNews::Died { .. } } => {
                lines.push(Line::ExitedAbnormally { service: name, process: client.clone(), pid: *pid });
            }
            Happened::OnlyReported { .. }
            | Happened::ClientsGaveUp { .. }
            | Happened::HandsOver
            | Happened::Client {
                news: ClientNews::Froze { .. } | ClientNews::LostItsLine | ClientNews::OnlyReported { .. },
                ..
            }
            | Happened::Foreign { .. }
            | Happened::Adopted { .. }
            | Happened::ReloadFailed { .. }
            | Happened::CheckFailed { .. } => {
                let text = Arc::from(happening.what.to_string());
                lines.push(Line::Said { name, text });
            }
            // What a dead main process left has no line of its own.
            Happened::Asked { pid: None, .. }
            | Happened::Recovers
            | Happened::Client {
                news:
                    ClientNews::Registered
                    | ClientNews::SaidGoodbye
                    | ClientNews::Stressed
                    | ClientNews::EndedUnheard { .. },
                ..
            }
            | Happened::Measured { .. }
            | Happened::Stressed
            | Happened::Forgiven
            | Happened::ToRestart { .. }
            | Happened::Reloaded
            | Happened::Ordered { .. }
            | Happened::HeldBy { .. }
            | Happened::Forgotten
            | Happened::DocumentAccepted { .. }
            | Happened::Ending
            | Happened::Task { .. } => {}
        }
        lines
    }

    /// Names the failed members that the stop sequence has passed: those that stand behind `stopping` in the list, or
    /// all of them once something starts.
    fn name_absent(&mut self, stopping: Option<&Name>, desired: &Desired, lines: &mut Vec<Line>) {
        let place = |name: &str| desired.find(name);
        let (passed, rest): (Vec<Name>, Vec<Name>) = std::mem::take(&mut self.absent)
            .into_iter()
            .partition(|absent| stopping.is_none_or(|stopping| place(absent) > place(stopping)));
        self.absent = rest;
        lines.extend(passed.into_iter().rev().map(|name| Line::NotRunning { name }));
    }
}

fn is_lead(name: &str, desired: &Desired) -> bool {
    desired
        .find(name)
        .is_some_and(|ix| desired.groups.iter().any(|group| group.lead == Some(ix) && group.members.len() > 1))
}

fn start_failed(name: Name, dots: Dots, reason: Name, desired: &Desired) -> Line {
    if is_lead(&name, desired) {
        Line::Checked { name, dots, outcome: Checked::NotReady(reason) }
    } else {
        Line::StartFailed { name, dots, reason }
    }
}

/// The program's own name, as Oracle prints it: `imapd` for `lib/imapd -d`.
fn process_name(name: &Name, desired: &Desired) -> Name {
    let command = desired.find(name).and_then(|ix| desired.service(ix).launch.command.first());
    command.and_then(|program| program.rsplit('/').next()).map_or_else(|| name.clone(), Arc::from)
}
