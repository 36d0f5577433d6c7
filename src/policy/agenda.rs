//! What a scheduler does about one task when it looks at the clock ([R16]): report what was missed, run what is due,
//! wait for what comes.
//!
//! The clock may have jumped either way, the machine may have slept, the scheduler may have been dead for months: it
//! makes no difference here. Late by a minute is in time; what is later was missed, and is reported once.

use super::cron::Crontab;
use super::due::{Zone, dues};
use crate::history::{Followed, Missed};
use crate::model::Minute;

/// So many minutes after it was due a run is still begun: a scheduler that was killed in the wrong moment loses none.
const LATE: i64 = 1;
/// Most runs that are looked through: more than a year of one every minute. What lies beyond is not counted.
const MOST: usize = 600_000;

/// What there is to do about one task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Agenda {
    /// To be reported, before the run.
    pub missed: Option<Missed>,
    /// To be run now.
    pub due: Option<Minute>,
    /// To be looked at again then; none where it is never due.
    pub next: Option<Minute>,
}

/// Looks at a task's schedule. `examined` is the last minute that this scheduler has looked at: a clock that went back
/// behind what was followed is followed from there. What was answered is not told again.
pub fn agenda<Z: Zone>(crontab: &Crontab, zone: &Z, followed: &Followed, examined: Minute, now: Minute) -> Agenda {
    let mut agenda = Agenda::default();
    let from = followed.upto.min(examined);
    let past = dues(crontab, zone, from).take(MOST).take_while(|due| *due <= now);
    for due in past.filter(|due| !followed.is_answered(*due)) {
        // Of two that are still in time the later one runs.
        let late = if due >= now.plus(-LATE) { agenda.due.replace(due) } else { Some(due) };
        if let Some(late) = late {
            let missed = agenda.missed.get_or_insert(Missed { first: late, last: late, count: 0 });
            missed.last = late;
            missed.count += 1;
        }
    }
    agenda.next = dues(crontab, zone, now).take(MOST).find(|due| !followed.is_answered(*due));
    agenda
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::cron::DayRule;

    /// A scheduler on a clock that is set by hand, with the agent's memory of what it was told.
    struct Play {
        crontab: Crontab,
        followed: Followed,
        examined: Minute,
        ran: Vec<i64>,
        missed: Vec<(i64, i64, u64)>,
    }

    impl Play {
        fn new(crontab: &str, now: i64) -> Self {
            let crontab = Crontab::parse(crontab, DayRule::Or).unwrap();
            let (ran, missed) = (Vec::new(), Vec::new());
            Self { crontab, followed: Followed::from(Minute(now)), examined: Minute(now - 1), ran, missed }
        }

        /// The clock reads this.
        fn look(&mut self, now: i64) -> Option<i64> {
            // A clock that was set back is noticed: what was examined before lies in its future now.
            self.examined = self.examined.min(Minute(now - 1));
            let found = agenda(&self.crontab, &|_: i64| 0, &self.followed, self.examined, Minute(now));
            self.examined = Minute(now);
            if let Some(Missed { first, last, count }) = found.missed {
                self.missed.push((first.0, last.0, count));
                self.followed.miss(last);
            }
            if let Some(due) = found.due {
                assert!(!self.followed.is_answered(due));
                self.ran.push(due.0);
                self.followed.answer(due);
            }
            found.next.map(|next| next.0)
        }

        fn pass(&mut self, from: i64, to: i64) {
            (from..=to).for_each(|now| {
                self.look(now);
            });
        }
    }

    #[test]
    fn r16_a_task_runs_when_it_is_due_and_the_next_one_is_known() {
        let mut play = Play::new("*/10 * * * *", 1);
        assert_eq!(play.look(5), Some(10));
        play.pass(6, 35);
        assert_eq!((play.ran, play.missed), (vec![10, 20, 30], vec![]));
    }

    #[test]
    fn r16_a_run_that_is_a_minute_late_is_begun_and_a_later_one_is_reported_missed() {
        let mut play = Play::new("*/10 * * * *", 1);
        play.look(11);
        play.look(22);
        assert_eq!((play.ran, play.missed), (vec![10], vec![(20, 20, 1)]));
    }

    #[test]
    fn r16_months_of_missed_time_are_one_report_and_no_run_is_made_up() {
        let mut play = Play::new("*/10 * * * *", 1);
        play.look(10);
        let months = 90 * 1_440;
        play.look(months + 5);
        play.look(months + 6);
        play.pass(months + 7, months + 12);
        assert_eq!(play.missed, [(20, months, 90 * 144 - 1)]);
        assert_eq!(play.ran, [10, months + 10]);
    }

    #[test]
    fn r16_a_step_back_repeats_nothing_and_the_schedule_goes_on_where_it_was() {
        let mut play = Play::new("*/10 * * * *", 1);
        play.pass(1, 65);
        play.pass(30, 85);
        assert_eq!((play.ran, play.missed), (vec![10, 20, 30, 40, 50, 60, 70, 80], vec![]));
    }

    #[test]
    fn r16_a_clock_that_was_years_ahead_and_is_put_right_keeps_nothing_from_running() {
        let mut play = Play::new("*/10 * * * *", 1);
        play.pass(1, 25);
        let years = 5 * 525_600;
        play.pass(years, years + 15);
        play.pass(26, 55);
        assert_eq!(play.ran, [10, 20, years, years + 10, 30, 40, 50]);
        assert_eq!(play.missed.len(), 1);
    }

    #[test]
    fn r16_a_scheduler_that_begins_anew_repeats_nothing_and_loses_nothing() {
        let mut play = Play::new("*/10 * * * *", 1);
        play.pass(1, 10);
        for now in 10..40 {
            play.examined = Minute(now - 1);
            play.look(now);
        }
        assert_eq!((play.ran, play.missed), (vec![10, 20, 30], vec![]));
    }

    #[test]
    fn r16_no_minute_is_run_twice_whatever_the_clock_does() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            i64::try_from(state % below).unwrap()
        };
        for crontab in ["* * * * *", "*/7 * * * *", "0 */3 * * *"] {
            let mut play = Play::new(crontab, 10_000);
            let mut now = 10_000;
            for _ in 0..400 {
                now += match random(12) {
                    0 => random(5_000),
                    1 => -random(600),
                    2 => random(3),
                    _ => 1,
                };
                play.look(now);
            }
            let mut unique = play.ran.clone();
            unique.sort_unstable();
            unique.dedup();
            assert_eq!(unique.len(), play.ran.len(), "{crontab}");
        }
    }
}
