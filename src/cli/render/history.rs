//! What happened, for people.

use super::table::Table;
use super::{Style, Tone};
use crate::agent::Told;
use crate::engine::{ClientNews, Happened, TaskDid};
use crate::model::{Diagnosis, Exit, Level};

/// A line a happening, oldest first.
pub(crate) fn history(events: &[Told], style: Style) -> String {
    if events.is_empty() {
        return "nothing has happened since the agent started\n".to_owned();
    }
    let mut table = Table::new(&["TIME", "SERVICE", "WHAT"]);
    for told in events {
        let usual = |text: &str| (text.to_owned(), Tone::Usual);
        let service = told.subject();
        table.row(vec![usual(&told.time), usual(service), (told.what.clone(), tone(&told.event))]);
    }
    table.print(style)
}

fn tone(event: &Happened) -> Tone {
    match event {
        Happened::Ready { .. }
        | Happened::Reloaded
        | Happened::Measured { level: Level::Within, .. }
        | Happened::Probed { diagnosis: Diagnosis::Answers } => Tone::Good,
        Happened::Crashed { .. }
        | Happened::NotSpawned { .. }
        | Happened::NotReadyInTime
        | Happened::Hangs { .. }
        | Happened::LeftHanging { .. }
        | Happened::GaveUp { .. }
        | Happened::OnlyReported { .. }
        | Happened::ClientsGaveUp { .. }
        | Happened::HandsOver
        | Happened::StopFailed => Tone::Bad,
        Happened::Client { news, .. } => match news {
            ClientNews::Died { .. } | ClientNews::Froze { .. } | ClientNews::OnlyReported { .. } => Tone::Bad,
            ClientNews::LostItsLine | ClientNews::Stressed | ClientNews::EndedUnheard { .. } => Tone::Warning,
            ClientNews::Registered | ClientNews::SaidGoodbye => Tone::Usual,
        },
        Happened::Probed { .. }
        | Happened::Measured { .. }
        | Happened::Stressed
        | Happened::RestartsAlone { .. }
        | Happened::GroupRestarts { .. }
        | Happened::Retried
        | Happened::Killed { .. }
        | Happened::Foreign { .. }
        | Happened::ReloadFailed { .. }
        | Happened::CheckFailed { .. } => Tone::Warning,
        Happened::Started { .. }
        | Happened::Recovers
        | Happened::Adopted { .. }
        | Happened::Forgiven
        | Happened::ToRestart { .. }
        | Happened::Asked { .. }
        | Happened::Stopped { .. }
        | Happened::Ordered { .. }
        | Happened::HeldBy { .. }
        | Happened::Forgotten
        | Happened::DocumentAccepted { .. }
        | Happened::Ending => Tone::Usual,
        Happened::Task { did, .. } => match did {
            TaskDid::Ended { exit: Exit::Code(0), overdue: false, .. } => Tone::Good,
            TaskDid::NotStarted { .. } | TaskDid::StopFailed => Tone::Bad,
            TaskDid::Ended { .. }
            | TaskDid::NotSeen
            | TaskDid::TimedOut { .. }
            | TaskDid::Killed
            | TaskDid::Skipped { .. }
            | TaskDid::Missed { .. } => Tone::Warning,
            TaskDid::Began { .. } | TaskDid::Adopted { .. } | TaskDid::Probed => Tone::Usual,
        },
    }
}
