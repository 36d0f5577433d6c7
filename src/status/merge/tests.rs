//! Cases of the merge, as a table.

use super::*;

const NOW: Wall = Wall(1_795_465_612_000);

fn says(kind: ConditionType, status: Truth, reason: Reason) -> InstanceCondition {
    let (r#type, reason) = (kind.word().to_owned(), reason.word().to_owned());
    InstanceCondition { r#type, status, reason, message: "words".to_owned() }
}

/// An agent that is well at this generation.
fn well(name: &str, generation: i64) -> Instance {
    let conditions = vec![
        says(ConditionType::Ready, Truth::True, Reason::AllReady),
        says(ConditionType::Reconciling, Truth::False, Reason::Settled),
        says(ConditionType::Stalled, Truth::False, Reason::Progressing),
        says(ConditionType::Degraded, Truth::False, Reason::None),
        says(ConditionType::ConfigValid, Truth::True, Reason::Accepted),
    ];
    Instance { name: name.to_owned(), observed_generation: generation, conditions, ..Instance::default() }
}

fn but(mut entry: Instance, kind: ConditionType, status: Truth, reason: Reason) -> Instance {
    entry.conditions.retain(|condition| condition.r#type != kind.word());
    entry.conditions.push(says(kind, status, reason));
    entry
}

fn gathered<'a>(entries: &'a [&'a Instance]) -> Gathered<'a> {
    Gathered {
        entries,
        generation: 2,
        wanted_pods: 1,
        active: Active::Every,
        workload: WorkloadFacts { rollout: Rollout::Current, image_error: None, storage_error: None, stale: vec![] },
        suspended: false,
        refused: None,
    }
}

/// Status and reason of Ready, Reconciling, Stalled, Degraded, `ConfigValid` and `WorkloadCurrent`.
fn short(gathered: &Gathered<'_>) -> String {
    let conditions = merge(gathered, &[], NOW);
    let of = |kind: &str| conditions.iter().find(|condition| condition.r#type == kind).unwrap();
    assert!(of("Reconciling").status != Truth::True || of("Stalled").status != Truth::True, "{conditions:?}");
    assert!(conditions.iter().all(|condition| condition.observed_generation == gathered.generation));
    assert_eq!(conditions.len(), 7);
    ["Ready", "Reconciling", "Stalled", "Degraded", "ConfigValid", "WorkloadCurrent"]
        .map(|kind| format!("{}={}", of(kind).status.word(), of(kind).reason))
        .join(" ")
}

#[test]
fn r27_one_pod_makes_the_whole() {
    use ConditionType::{ConfigValid, Degraded, Ready, Reconciling, Stalled};
    let (now, before) = (|| well("mail-0", 2), || well("mail-0", 1));
    let newer = InstanceCondition { reason: "NewerThanThis".into(), ..says(Degraded, Truth::True, Reason::None) };
    let table: Vec<(&str, Instance, &str)> = vec![
        ("well", now(), "True=AllReady False=Settled False=Progressing False=None True=Accepted True=Current"),
        (
            "an older generation is no word about this one",
            before(),
            "Unknown=Pending True=Applying False=Progressing False=None Unknown=Unknown True=Current",
        ),
        (
            "a give-up of an older generation may be over",
            but(before(), Stalled, Truth::True, Reason::GaveUp),
            "Unknown=Pending True=Applying False=Progressing False=None Unknown=Unknown True=Current",
        ),
        (
            "given up",
            but(but(now(), Stalled, Truth::True, Reason::GaveUp), Ready, Truth::False, Reason::ServicesNotReady),
            "False=ServicesNotReady False=Settled True=GaveUp False=None True=Accepted True=Current",
        ),
        (
            "given up while something else moves",
            but(but(now(), Stalled, Truth::True, Reason::GaveUp), Reconciling, Truth::True, Reason::Applying),
            "True=AllReady False=Settled True=GaveUp False=None True=Accepted True=Current",
        ),
        (
            "refused while it serves",
            but(now(), ConfigValid, Truth::False, Reason::Cycle),
            "True=AllReady False=Settled True=ConfigRejected True=RunsPreviousConfiguration False=Cycle True=Current",
        ),
        (
            "refused by the software's own checker while the document is in force",
            but(
                but(now(), ConfigValid, Truth::False, Reason::CheckFailed),
                Degraded,
                Truth::True,
                Reason::RunsPreviousConfiguration,
            ),
            "True=AllReady False=Settled True=ConfigRejected True=RunsPreviousConfiguration False=CheckFailed True=Current",
        ),
        (
            "starting",
            but(but(now(), Ready, Truth::False, Reason::ServicesNotReady), Reconciling, Truth::True, Reason::Applying),
            "False=ServicesNotReady True=Applying False=Progressing False=None True=Accepted True=Current",
        ),
        (
            "serving with less",
            but(now(), Degraded, Truth::True, Reason::NonRequiredDown),
            "True=AllReady False=Settled False=Progressing True=NonRequiredDown True=Accepted True=Current",
        ),
        (
            "a reason newer than this program",
            Instance { conditions: [vec![newer], now().conditions].concat(), ..now() },
            "True=AllReady False=Settled False=Progressing True=Unknown True=Accepted True=Current",
        ),
        (
            "an agent that says nothing yet",
            Instance { conditions: vec![], ..now() },
            "Unknown=Pending False=Settled False=Progressing False=None Unknown=Unknown True=Current",
        ),
    ];
    for (case, entry, expected) in table {
        assert_eq!(short(&gathered(&[&entry])), expected, "{case}");
    }
}

#[test]
fn r27_what_the_pods_themselves_tell() {
    let entry = well("mail-0", 2);
    let entries = [&entry];
    let with = |change: &dyn Fn(&mut Gathered<'_>)| {
        let mut gathered = gathered(&entries);
        change(&mut gathered);
        short(&gathered)
    };
    let well = "True=AllReady False=Settled False=Progressing False=None True=Accepted";
    assert_eq!(
        with(&|it| it.workload.rollout = Rollout::Rolling),
        "True=AllReady True=RollingWorkload False=Progressing False=None True=Accepted False=RollPending"
    );
    assert_eq!(with(&|it| it.workload.rollout = Rollout::AgentOutdated), format!("{well} False=AgentOutdated"));
    assert_eq!(
        with(&|it| it.workload.rollout = Rollout::GracePeriodPending),
        format!("{well} False=GracePeriodPending")
    );
    assert_eq!(
        with(&|it| {
            it.workload.rollout = Rollout::Rolling;
            it.workload.image_error = Some("no such image".into());
        }),
        "True=AllReady False=Settled True=ImageError False=None True=Accepted False=RollPending"
    );
    assert_eq!(
        with(&|it| it.workload.storage_error = Some("no such class".into())),
        "True=AllReady False=Settled True=StorageError False=None True=Accepted True=Current"
    );
    assert_eq!(
        with(&|it| it.workload.stale = vec!["mail-0".into()]),
        "True=AllReady False=Settled False=Progressing True=StatusStale True=Accepted True=Current"
    );
    assert_eq!(
        with(&|it| it.refused = Some((Reason::BadCrontab, "never due".into()))),
        "True=AllReady False=Settled True=ConfigRejected True=RunsPreviousConfiguration False=BadCrontab True=Current"
    );
}

#[test]
fn a_resource_without_a_pod_is_moving_and_not_ready() {
    let expected = "False=Pending True=Applying False=Progressing False=None Unknown=Unknown True=Current";
    assert_eq!(short(&gathered(&[])), expected);
}

#[test]
fn a_standby_need_not_be_ready_and_must_have_looked() {
    let active = well("mail-0", 2);
    let standby = but(well("mail-1", 2), ConditionType::Ready, Truth::False, Reason::ServicesNotReady);
    let late = well("mail-1", 1);
    let pair = |entries: &[&Instance], active| {
        let both = Gathered { wanted_pods: 2, active, ..gathered(entries) };
        short(&both)
    };
    assert!(pair(&[&active, &standby], Active::Pod("mail-0")).starts_with("True=AllReady False=Settled"));
    assert!(pair(&[&active, &standby], Active::Every).starts_with("False=ServicesNotReady"));
    assert!(pair(&[&active, &late], Active::Pod("mail-0")).starts_with("Unknown=Pending True=Applying"));
    assert!(pair(&[&active, &standby], Active::Nobody).starts_with("False=NoActive"));
    assert!(pair(&[&active], Active::Pod("mail-0")).contains("True=NoStandby"));
}

#[test]
fn a_transition_time_changes_only_with_its_status() {
    let (entry, later) = (well("mail-0", 2), Wall(NOW.0 + 60_000));
    let first = merge(&gathered(&[&entry]), &[], NOW);
    assert_eq!(merge(&gathered(&[&entry]), &first, later), first, "nothing changes while nothing happens");
    let down = but(entry, ConditionType::Ready, Truth::False, Reason::ServicesNotReady);
    let second = merge(&gathered(&[&down]), &first, later);
    let changed: Vec<&str> = (first.iter().zip(&second))
        .filter(|(before, after)| before.last_transition_time != after.last_transition_time)
        .map(|(_, after)| after.r#type.as_str())
        .collect();
    assert_eq!(changed, ["Ready"]);
}

#[test]
fn the_columns_count_wanted_services_and_their_restarts() {
    let service = |enabled, ready, restarts_in_window| crate::status::ServiceStatus {
        enabled,
        ready,
        restarts_in_window,
        ..Default::default()
    };
    let services =
        vec![service(true, Truth::True, 2), service(true, Truth::Unknown, 1), service(false, Truth::False, 0)];
    let entry = Instance { services, ..Instance::default() };
    assert_eq!((services_ready(&[&entry]).as_str(), restarts_in_window(&[&entry])), ("1/2", 3));
    assert_eq!((services_ready(&[]).as_str(), restarts_in_window(&[])), ("0/0", 0));
}
