//! How long an ordered stop of everything may take, and what is done where a pod is given less ([R29]).
//!
//! The operator writes [`grace_period`] into the pod; the agent, which learns what was written, shortens its stop ladder
//! by [`fit`] once the pod ends. Everything is stopped by its stop signal first, and by KILL when its time is over: the
//! bound is what the slowest chain of such stops takes, not what it usually takes.

use std::time::Duration;

use super::reach;
use crate::desired::{Desired, Does, Ix, StartOrder, Wanted};

/// From the stop signal of a task to its KILL.
pub const TASK_STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// What is left to an ordered stop beside its time-outs: signals, exits, the last records, the container's own end.
pub const MARGIN: Duration = Duration::from_secs(15);

/// The grace periods that there are, in seconds: few, so that a time-out that changes a little does not change the pod.
pub const STEPS: [u64; 5] = [60, 300, 900, 1_800, 3_600];

/// The longest time from the first stop signal to the last KILL when everything is stopped in order: one service after
/// the other where starts are listed, else the longest chain of services that wait for each other. Tasks end beside them.
pub fn critical_path(desired: &Desired) -> Duration {
    let services = match desired.start_order {
        StartOrder::Listed => desired.indices().map(|ix| time_of(desired, ix)).sum(),
        StartOrder::Parallel => longest_chain(desired),
    };
    let runs = desired.tasks.iter().any(|task| task.wanted == Wanted::Yes && matches!(task.does, Does::Run(_)));
    if runs { services.max(TASK_STOP_TIMEOUT) } else { services }
}

/// What a pod with these services is given: the critical path and [`MARGIN`], rounded up to one of [`STEPS`]; the last
/// of them where none is enough.
pub fn grace_period(desired: &Desired) -> Duration {
    let needed = critical_path(desired).saturating_add(MARGIN);
    let steps = STEPS.map(Duration::from_secs);
    steps.into_iter().find(|step| *step >= needed).unwrap_or(steps[STEPS.len() - 1])
}

/// Whether an ordered stop ends within `grace` with every time-out as declared.
pub fn fits(desired: &Desired, grace: Duration) -> bool {
    critical_path(desired) <= room(grace)
}

/// Shortens every stop time-out in proportion, so that an ordered stop ends within `grace`; whether that was needed. A
/// task keeps its time: nothing waits for it but the end.
pub fn fit(desired: &mut Desired, grace: Duration) -> bool {
    if fits(desired, grace) {
        return false;
    }
    let (path, room) = (critical_path(desired).as_millis().max(1), room(grace).as_millis());
    for service in &mut desired.services {
        let millis = service.stop_timeout.as_millis().saturating_mul(room) / path;
        service.stop_timeout = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
    }
    true
}

/// What of a grace period is left for time-outs.
fn room(grace: Duration) -> Duration {
    grace.saturating_sub(MARGIN.min(grace / 4))
}

fn time_of(desired: &Desired, ix: Ix) -> Duration {
    let service = desired.service(ix);
    match service.wanted {
        Wanted::Yes | Wanted::Removed => service.stop_timeout,
        Wanted::Disabled | Wanted::DependencyDisabled(_) => Duration::ZERO,
    }
}

/// A service is asked to stop once everything that depends on it, and everyone in the group it leads, is gone.
fn longest_chain(desired: &Desired) -> Duration {
    let mut gone_after = vec![Duration::ZERO; desired.services.len()];
    for ix in desired.topological.iter().rev().copied() {
        let before = desired.service(ix).dependents.iter().chain(reach::led_by(desired, ix));
        let asked = before.filter(|other| **other != ix).map(|other| gone_after[other.at()]).max();
        gone_after[ix.at()] = asked.unwrap_or_default() + time_of(desired, ix);
    }
    gone_after.into_iter().max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three services: store, and imap and pop that depend on it and are in its group.
    fn desired(order: StartOrder, seconds: [u64; 3]) -> Desired {
        let text = format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  profile: Custom\n  \
             startOrder: {order:?}\n  services:\n  \
             - {{name: store, command: [/bin/a], stopTimeout: {}s}}\n  \
             - {{name: imap, command: [/bin/a], dependsOn: [store], stopTimeout: {}s}}\n  \
             - {{name: pop, command: [/bin/a], dependsOn: [store], stopTimeout: {}s}}\n  \
             - {{name: spare, command: [/bin/a], enabled: false, stopTimeout: 500s}}\n",
            seconds[0], seconds[1], seconds[2]
        );
        read(&text)
    }

    fn read(text: &str) -> Desired {
        let read = crate::document::read(text.as_bytes(), "test");
        crate::document::resolve(&read.document.unwrap_or_else(|| panic!("{:?}", read.diagnostics)), 1)
    }

    #[test]
    fn r29_listed_stops_add_up_and_parallel_ones_are_as_long_as_their_longest_chain() {
        assert_eq!(critical_path(&desired(StartOrder::Listed, [100, 30, 20])), Duration::from_secs(150));
        assert_eq!(critical_path(&desired(StartOrder::Parallel, [100, 30, 20])), Duration::from_secs(130));
    }

    #[test]
    fn r29_a_run_that_may_go_on_beside_short_stops_is_waited_for_and_a_disabled_task_is_not() {
        for (enabled, seconds) in [(true, 30), (false, 5)] {
            let text = format!(
                "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  profile: Custom\n  \
                 services:\n  - {{name: store, command: [/bin/a], stopTimeout: 5s}}\n  \
                 schedule: [{{name: expire, crontab: \"0 23 * * *\", command: [bin/a], enabled: {enabled}}}]\n"
            );
            assert_eq!(critical_path(&read(&text)), Duration::from_secs(seconds), "enabled: {enabled}");
        }
    }

    #[test]
    fn r29_of_a_short_grace_period_a_quarter_is_kept_for_what_is_no_time_out() {
        let desired = desired(StartOrder::Listed, [4, 1, 1]);
        assert!(fits(&desired, Duration::from_secs(8)) && !fits(&desired, Duration::from_secs(7)));
    }

    #[test]
    fn r29_the_grace_period_is_the_next_step_above_path_and_margin() {
        for (seconds, grace) in [([30, 15, 15], 60), ([31, 15, 15], 300), ([255, 30, 1], 300), ([600, 600, 1], 1_800)] {
            let desired = desired(StartOrder::Parallel, seconds);
            assert_eq!(grace_period(&desired), Duration::from_secs(grace), "{seconds:?}");
        }
        assert_eq!(grace_period(&desired(StartOrder::Listed, [3_600, 3_600, 3_600])), Duration::from_hours(1));
    }

    #[test]
    fn r29_time_outs_that_do_not_fit_are_shortened_in_proportion_and_then_fit() {
        let mut long = desired(StartOrder::Parallel, [100, 50, 20]);
        assert!(fit(&mut long, Duration::from_mins(1)));
        let millis: Vec<u128> = long.services.iter().map(|service| service.stop_timeout.as_millis()).collect();
        assert_eq!(millis[..3], [30_000, 15_000, 6_000]);
        assert!(fits(&long, Duration::from_mins(1)));
        assert!(!fit(&mut long, Duration::from_mins(1)), "what fits is left as it is");
    }

    #[test]
    fn r29_a_grace_period_of_nothing_leaves_no_time_and_does_not_fail() {
        let mut any = desired(StartOrder::Listed, [30, 30, 30]);
        assert!(fit(&mut any, Duration::ZERO));
        assert!(any.services.iter().all(|service| service.stop_timeout == Duration::ZERO));
        assert!(!fit(&mut desired(StartOrder::Listed, [0, 0, 0]), Duration::ZERO));
    }
}
