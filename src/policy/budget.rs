//! The restart budget ([R11]): automatic restarts within the sliding window never exceed `maxRestarts`.

use std::time::Duration;

use crate::desired::{Autorestart, OnGiveUp};
use crate::history::{ClientMarks, Marks};
use crate::model::{Boot, Now, Wall};

/// How long before the first moment at which a charge has left the window; the clock counts in milliseconds.
const JUST_AFTER: Duration = Duration::from_millis(1);

/// Whether one automatic restart more is allowed at `now`.
pub fn allows(marks: &Marks, policy: &Autorestart, now: Boot) -> bool {
    marks.charged_within(policy.window, now) < policy.max_restarts as usize
}

/// The same for a restart of the store group because of a store client ([R14]).
pub fn allows_for_clients(clients: &ClientMarks, policy: &Autorestart, now: Boot) -> bool {
    within(&clients.charges, policy, now) < policy.max_restarts as usize
}

/// Restarts that count at `now`: a failure exactly a window after another is still inside.
pub fn within(charges: &[Boot], policy: &Autorestart, now: Boot) -> usize {
    charges.iter().filter(|charge| now.since(**charge) <= policy.window).count()
}

/// Whether a give-up of the store clients is over by itself at `now`: nothing of ours is down because of it, so nothing
/// is done at that moment, and the next failure is answered again.
pub fn is_over_for_clients(given_up: Boot, policy: &Autorestart, now: Boot) -> bool {
    match policy.on_give_up {
        OnGiveUp::RetryAfter(after) => now.since(given_up) > after.max(policy.window),
        OnGiveUp::Stay | OnGiveUp::Failover => false,
    }
}

/// Counts one automatic restart. Only the last `maxRestarts` are kept: no decision can depend on an older one.
pub fn charge(charges: &mut Vec<Boot>, policy: &Autorestart, now: Boot) {
    charges.push(now);
    let surplus = charges.len().saturating_sub(policy.max_restarts as usize);
    charges.drain(..surplus);
}

/// The first moment, from `earliest` on, at which the budget allows a restart again; never, for a budget of none.
pub fn allows_from(marks: &Marks, policy: &Autorestart, earliest: Boot) -> Option<Boot> {
    let budget = policy.max_restarts as usize;
    if budget == 0 {
        return None;
    }
    let blocking = marks.charges.len().checked_sub(budget).map(|at| marks.charges[at]);
    Some(blocking.map_or(earliest, |charge| earliest.max(charge.plus(policy.window).plus(JUST_AFTER))))
}

/// What the next failure leads to, in a sentence for people: how much of the budget is left, or until when a failure
/// is one too many.
pub fn sentence(marks: &Marks, policy: &Autorestart, now: Now) -> String {
    let Autorestart { enabled, window, max_restarts, on_give_up: _ } = *policy;
    let seconds = window.as_secs();
    if !enabled {
        return "a failure is only reported: autorestart is off".to_owned();
    }
    if max_restarts == 0 {
        return "the next failure makes it give up: maxRestarts is 0".to_owned();
    }
    let spent = marks.charged_within(window, now.boot);
    match allows_from(marks, policy, now.boot) {
        Some(from) if from > now.boot => {
            let ahead = i64::try_from(from.since(now.boot).as_millis()).unwrap_or(i64::MAX);
            let until = Wall(now.wall.0.saturating_add(ahead));
            format!(
                "{spent} of {max_restarts} automatic restart(s) within {seconds} s are spent: \
                 a failure before {until} makes it give up"
            )
        }
        Some(_) | None => format!("{spent} of {max_restarts} automatic restart(s) within {seconds} s are spent"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(max_restarts: u32) -> Autorestart {
        Autorestart { enabled: true, window: Duration::from_mins(10), max_restarts, on_give_up: OnGiveUp::Stay }
    }

    #[test]
    fn r11_a_failure_exactly_the_timeout_later_is_inside_the_window() {
        let mut marks = Marks::default();
        charge(&mut marks.charges, &policy(1), Boot(1_000));
        assert!(!allows(&marks, &policy(1), Boot(601_000)));
        assert!(allows(&marks, &policy(1), Boot(601_001)));
        assert_eq!(allows_from(&marks, &policy(1), Boot(5)), Some(Boot(601_001)));
    }

    #[test]
    fn r11_c28_what_the_next_failure_leads_to_is_said_with_its_moment() {
        let now = Now { boot: Boot(100_000), wall: Wall(1_000_000_000_000) };
        let mut marks = Marks::default();
        let of = |marks: &Marks, policy: &Autorestart| sentence(marks, policy, now);
        assert_eq!(of(&marks, &policy(1)), "0 of 1 automatic restart(s) within 600 s are spent");
        charge(&mut marks.charges, &policy(2), Boot(40_000));
        assert_eq!(of(&marks, &policy(2)), "1 of 2 automatic restart(s) within 600 s are spent");
        // 40 s and 600 s are 540 s from here: that failure is inside, and the clock of people counts seconds.
        let last = "1 of 1 automatic restart(s) within 600 s are spent: \
                    a failure before 2001-09-09T01:55:40Z makes it give up";
        assert_eq!(of(&marks, &policy(1)), last);
        assert_eq!(of(&marks, &policy(0)), "the next failure makes it give up: maxRestarts is 0");
        let off = Autorestart { enabled: false, ..policy(1) };
        assert_eq!(of(&marks, &off), "a failure is only reported: autorestart is off");
    }

    #[test]
    fn r11_a_budget_of_none_never_restarts() {
        let marks = Marks::default();
        assert!(!allows(&marks, &policy(0), Boot(0)));
        assert_eq!(allows_from(&marks, &policy(0), Boot(0)), None);
    }

    #[test]
    fn r11_r14_the_store_clients_share_one_budget_and_exactly_the_timeout_later_is_inside_the_window() {
        let mut clients = ClientMarks::default();
        assert!(!allows_for_clients(&clients, &policy(0), Boot(0)), "a budget of none");
        for (number, at) in [(0, 1_000), (1, 2_000)] {
            assert_eq!(within(&clients.charges, &policy(2), Boot(at)), number);
            assert!(allows_for_clients(&clients, &policy(2), Boot(at)));
            charge(&mut clients.charges, &policy(2), Boot(at));
        }
        for (now, spent) in [(2_000, 2), (601_000, 2), (601_001, 1), (602_000, 1), (602_001, 0)] {
            assert_eq!(within(&clients.charges, &policy(2), Boot(now)), spent, "{now}");
            assert_eq!(allows_for_clients(&clients, &policy(2), Boot(now)), spent < 2, "{now}");
        }
    }

    #[test]
    fn r11_r14_a_give_up_of_the_store_clients_is_over_only_after_its_time_and_the_window() {
        let minutes = |minutes: u64| Boot(minutes * 60_000);
        let with = |on_give_up| Autorestart { on_give_up, ..policy(1) };
        let retry = |after| with(OnGiveUp::RetryAfter(Duration::from_mins(after)));
        for (policy, last) in [(retry(20), 20), (retry(1), 10)] {
            assert!(!is_over_for_clients(minutes(5), &policy, minutes(5 + last)), "exactly then it is inside");
            assert!(is_over_for_clients(minutes(5), &policy, Boot(minutes(5 + last).0 + 1)));
        }
        for never in [with(OnGiveUp::Stay), with(OnGiveUp::Failover)] {
            assert!(!is_over_for_clients(minutes(5), &never, minutes(100_000)));
        }
    }

    #[test]
    fn r11_a_clock_that_went_back_does_not_open_the_window() {
        let mut marks = Marks::default();
        charge(&mut marks.charges, &policy(1), Boot(1_000_000));
        assert!(!allows(&marks, &policy(1), Boot(10)));
    }

    #[test]
    fn r11_the_record_stays_bounded_whatever_happens() {
        let mut marks = Marks::default();
        for at in 0..1_000 {
            charge(&mut marks.charges, &policy(3), Boot(at));
        }
        assert_eq!(marks.charges, vec![Boot(997), Boot(998), Boot(999)]);
    }

    #[test]
    fn r11_exactly_as_many_restarts_as_declared_fit_into_any_window() {
        let mut marks = Marks::default();
        let mut restarts = Vec::new();
        for second in 0..5_000_u64 {
            let now = Boot(second * 1_000);
            if allows(&marks, &policy(3), now) {
                charge(&mut marks.charges, &policy(3), now);
                restarts.push(now);
            }
        }
        for (at, first) in restarts.iter().enumerate() {
            let inside = restarts[at..].iter().filter(|later| later.since(*first) <= Duration::from_mins(10)).count();
            assert!(inside <= 3, "{inside} restarts within a window from {first}");
        }
        assert_eq!(restarts.len(), 27, "never blocked with fewer than the budget");
    }
}
