//! Which pod is deleted so that a new one takes its place, if any.
//!
//! Pure. One at a time: a pod that serves is not deleted while another is on its way. The standby goes first, so that
//! there is one move and not two.

use mailward::status::Rollout;

use crate::pods::Pod;

/// What pods should be.
#[derive(Clone, Copy, Debug)]
pub struct Template<'a> {
    /// The fingerprint of a new pod.
    pub hash: &'a str,
    /// How many there should be.
    pub replicas: u32,
    /// What a new pod is given to stop, in seconds.
    pub grace: u32,
    /// The image of the agent in a new pod.
    pub agent_image: &'a str,
    /// Whether everything automatic is suspended.
    pub suspended: bool,
    /// The pod that serves, where another stands by.
    pub active: Option<&'a str>,
}

/// How the pods compare with the template, and the pod to delete now.
pub fn roll<'a>(pods: &'a [Pod], template: Template<'_>) -> (Rollout, Option<&'a Pod>) {
    let mut old: Vec<&Pod> = pods.iter().filter(|pod| pod.hash != template.hash).collect();
    if old.is_empty() {
        return (unrolled(pods, template), None);
    }
    if template.suspended {
        return (Rollout::Pending, None);
    }
    let on_its_way = |pod: &Pod| pod.terminating || (pod.hash == template.hash && !pod.ready);
    let missing = pods.len() < usize::try_from(template.replicas).unwrap_or(usize::MAX);
    let busy = missing || pods.iter().any(on_its_way);
    // One that serves nobody has nothing to lose, and it may be what the change is to heal.
    old.sort_by_key(|pod| (pod.ready, template.active == Some(pod.name.as_str()), std::cmp::Reverse(&pod.name)));
    let next = old.into_iter().find(|pod| !pod.terminating).filter(|pod| !busy || !pod.ready);
    (Rollout::Rolling, next)
}

/// What differs and replaces no pod.
fn unrolled(pods: &[Pod], template: Template<'_>) -> Rollout {
    if pods.iter().any(|pod| pod.grace != i64::from(template.grace)) {
        Rollout::GracePeriodPending
    } else if pods.iter().any(|pod| pod.agent_image != template.agent_image) {
        Rollout::AgentOutdated
    } else {
        Rollout::Current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: Template<'_> = Template {
        hash: "new",
        replicas: 2,
        grace: 60,
        agent_image: "agent:1",
        suspended: false,
        active: Some("mail-0"),
    };

    fn pod(name: &str, hash: &str, ready: bool) -> Pod {
        let text = str::to_owned;
        Pod { name: text(name), hash: text(hash), ready, grace: 60, agent_image: text("agent:1"), ..Pod::default() }
    }

    fn next(pods: &[Pod], template: Template<'_>) -> Option<String> {
        roll(pods, template).1.map(|pod| pod.name.clone())
    }

    #[test]
    fn r25_pods_that_match_are_left_alone() {
        let pods = [pod("mail-0", "new", true), pod("mail-1", "new", false)];
        assert_eq!(roll(&pods, TEMPLATE), (Rollout::Current, None));
    }

    #[test]
    fn r25_the_standby_is_replaced_first_and_then_the_active() {
        let old = [pod("mail-0", "old", true), pod("mail-1", "old", true)];
        assert_eq!(next(&old, TEMPLATE).as_deref(), Some("mail-1"));
        let other = Template { active: Some("mail-1"), ..TEMPLATE };
        assert_eq!(next(&old, other).as_deref(), Some("mail-0"));
        let half = [pod("mail-0", "old", true), pod("mail-1", "new", true)];
        assert_eq!(next(&half, TEMPLATE).as_deref(), Some("mail-0"));
    }

    #[test]
    fn r25_a_pod_that_serves_stays_while_another_is_on_its_way() {
        let starting = [pod("mail-0", "old", true), pod("mail-1", "new", false)];
        assert_eq!(roll(&starting, TEMPLATE), (Rollout::Rolling, None));
        let missing = [pod("mail-0", "old", true)];
        assert_eq!(next(&missing, TEMPLATE), None);
        let going = [pod("mail-0", "old", true), Pod { terminating: true, ..pod("mail-1", "old", true) }];
        assert_eq!(next(&going, TEMPLATE), None);
    }

    #[test]
    fn a_pod_that_a_bad_image_keeps_from_starting_is_replaced_at_once() {
        let broken = [pod("mail-0", "bad", false)];
        assert_eq!(next(&broken, Template { replicas: 1, active: None, ..TEMPLATE }).as_deref(), Some("mail-0"));
        let one_of_two = [pod("mail-0", "old", true), pod("mail-1", "bad", false)];
        assert_eq!(next(&one_of_two, TEMPLATE).as_deref(), Some("mail-1"));
    }

    #[test]
    fn r30_nothing_is_replaced_while_suspended() {
        let old = [pod("mail-0", "old", false)];
        assert_eq!(roll(&old, Template { suspended: true, ..TEMPLATE }), (Rollout::Pending, None));
    }

    #[test]
    fn r29_another_grace_period_or_agent_is_said_and_replaces_nothing() {
        let pods = [pod("mail-0", "new", true)];
        assert_eq!(roll(&pods, Template { grace: 300, ..TEMPLATE }), (Rollout::GracePeriodPending, None));
        assert_eq!(roll(&pods, Template { agent_image: "agent:2", ..TEMPLATE }), (Rollout::AgentOutdated, None));
    }

    #[test]
    fn a_pod_that_is_going_is_not_deleted_again() {
        let going = [Pod { terminating: true, ..pod("mail-0", "old", false) }];
        assert_eq!(roll(&going, Template { replicas: 1, ..TEMPLATE }), (Rollout::Rolling, None));
    }
}
