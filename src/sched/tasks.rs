//! The tasks that are followed, read from what the agent says.

use crate::clock::LocalZone;
use crate::control::Scheduled;
use crate::history::Followed;
use crate::model::Minute;
use crate::policy::agenda::{Agenda, agenda};
use crate::policy::cron::Crontab;

/// One task.
pub(super) struct Task {
    pub(super) name: String,
    pub(super) followed: Followed,
    crontab: Crontab,
    zone: LocalZone,
}

/// Every task that can be followed.
pub(super) struct Tasks(Vec<Task>);

impl Tasks {
    /// What cannot be followed is said and left out: a time zone that this system does not know, above all.
    pub(super) fn of(schedule: &[Scheduled]) -> Self {
        let readable = schedule.iter().filter_map(|task| match read(task) {
            Ok(task) => Some(task),
            Err(why) => {
                tracing::error!("{} is not followed: {why}", task.name);
                None
            }
        });
        Self(readable.collect())
    }

    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Task> {
        self.0.iter_mut()
    }
}

fn read(task: &Scheduled) -> Result<Task, String> {
    let crontab = Crontab::parse(&task.crontab, task.day_rule).map_err(|error| error.to_string())?;
    let zone = LocalZone::find(&task.time_zone)
        .ok_or_else(|| format!("this system knows no time zone {}; is tzdata installed?", task.time_zone))?;
    let followed = task.followed().ok_or("the agent's answer is not understood")?;
    Ok(Task { name: task.name.clone(), followed, crontab, zone })
}

impl Task {
    /// What there is to do about it.
    pub(super) fn look(&self, examined: Minute, now: Minute) -> Agenda {
        agenda(&self.crontab, &self.zone, &self.followed, examined, now)
    }
}
