//! The part of the story in which a server is frozen: it lives, it accepts, and it never answers.

use std::path::{Path, PathBuf};

use rustix::process::Signal;

use super::story::{but, claim, mail, pid_of, seen};
use super::unseen;
use super::watch::{Watch, is_settled, lives, order, pids, signal};
use crate::cli::demo::stage::Stage;
use crate::cli::failure::Failure;
use crate::cli::terminal::print;
use crate::cli::waiting::find;
use crate::engine::Happened;
use crate::model::Health;
use crate::status::{Reported, Truth};

/// Who is frozen. It is no member of the store's group, so its restart is of it alone.
pub(super) const FROZEN: &str = "dispatcher";
/// Rounds that are asked for. The first finds it; a prober that was late itself does not know, and is asked again.
const ROUNDS: usize = 20;

/// Freezes it, asks for a round, and sees the restart and what was kept.
pub(super) async fn play(stage: &Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let frozen = pid_of(&before, FROZEN)?;
    print(&format!("   kill -STOP {frozen}\n"))?;
    family(frozen).into_iter().try_for_each(|pid| signal(pid, Signal::STOP))?;
    claim(lives(frozen), "it lives: no exit was to be noticed", frozen)?;

    print(&format!("   mailward probe {FROZEN}\n"))?;
    let hangs = |event: &Happened| matches!(event, Happened::Hangs { .. });
    for _ in 0..ROUNDS {
        let report = watch.client().probe(&[FROZEN.to_owned()]).await?;
        let health = report.services.iter().find(|one| one.service == FROZEN).and_then(|one| one.health);
        if health == Some(Health::Fails) || !order(&watch.happened().await?, hangs).is_empty() {
            break;
        }
    }
    let again = |reported: &Reported| {
        let new = find(reported, FROZEN).is_some_and(|it| it.ready == Truth::True && it.pid != Some(frozen));
        new && is_settled(reported)
    };
    let reported = watch.until("another process of what hung", again).await?;
    watch.show_log()?;
    let (now, only) = (pids(&reported), [FROZEN.to_owned()]);
    let told = watch.happened().await?;
    claim(order(&told, hangs) == only, "the round found that it does not answer", order(&told, hangs))?;
    claim(!lives(frozen), "the frozen process is gone, another one answers", frozen)?;
    claim(but(&now, &only) == but(&before, &only), "all others run on, their pids are the same", &now)?;
    let restarts = find(&reported, FROZEN).map(|found| found.restarts_in_window);
    claim(restarts == Some(1), "it has spent one restart of its budget, as for a crash", restarts)?;
    evidence(stage.root(), frozen)?;
    mail(watch, "sent after the hang").await
}

/// What was kept of it before it was ended.
fn evidence(root: &Path, frozen: i32) -> Result<(), Failure> {
    let folder = root.join("state/evidence").join(FROZEN);
    let files = std::fs::read_dir(&folder).map_err(|error| unseen(format!("{}: {error}", folder.display())))?;
    let files: Vec<PathBuf> = files.filter_map(|entry| Some(entry.ok()?.path())).collect();
    let text = files.first().and_then(|file| std::fs::read_to_string(file).ok()).unwrap_or_default();
    let parts = ["Silent after", &format!("process {frozen}"), "T (stopped)"];
    let missing: Vec<&str> = parts.into_iter().filter(|part| !text.contains(part)).collect();
    if !missing.is_empty() {
        return Err(unseen(format!("evidence of the hang; {missing:?} is not in {files:?}: {text}")));
    }
    let name = files.first().and_then(|file| file.file_name()).unwrap_or_default().to_string_lossy().into_owned();
    seen(&format!("state/evidence/{FROZEN}/{name} keeps the conversation, the state of the process and its last lines"))
}

/// A process and all that descends from it, parents first: a server's workers answer for it.
fn family(pid: i32) -> Vec<i32> {
    let mut found = vec![pid];
    let mut at = 0;
    while let Some(parent) = found.get(at).copied() {
        let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).into_iter().flatten().flatten();
        let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
        found.extend(
            children.flat_map(|pids| pids.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<i32>>()),
        );
        at += 1;
    }
    found
}
