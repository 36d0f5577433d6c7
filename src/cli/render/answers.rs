//! Orders: what became of them, and what happens while a person waits.

use crate::agent::Told;
use crate::engine::Verb;
use crate::status::ServiceStatus;

/// A line of progress.
pub(crate) fn progress(told: &Told) -> String {
    format!("{}: {}", told.subject(), super::printable(&told.what))
}

/// What is so after an order was done; `already` where it was so before.
pub(crate) fn after_order(verb: Verb, name: &str, service: Option<&ServiceStatus>, already: bool) -> String {
    let pid = service.and_then(|service| service.pid).map(|pid| format!(", pid {pid}")).unwrap_or_default();
    let up = service.is_some_and(|service| service.pid.is_some());
    match (verb, already) {
        (Verb::Start, true) => format!("{name} is already running{pid}"),
        (Verb::Start, false) => format!("{name} is ready{pid}"),
        (Verb::Stop, true) => format!("{name} is not running, and stays so until it is started"),
        (Verb::Stop, false) => format!("{name} is stopped until it is started"),
        (Verb::Restart, _) => format!("{name} is restarted and ready{pid}"),
        (Verb::Reload, _) => format!("{name} has taken over its files{pid}"),
        (Verb::Hold, true) => format!("{name} is already held"),
        (Verb::Hold, false) => format!("{name} is stopped and held until it is released"),
        (Verb::Release, true) => format!("{name} was not held"),
        (Verb::Release, false) if up => format!("{name} is released{pid}"),
        (Verb::Release, false) => format!("{name} is released"),
        (Verb::Reset, _) => format!("{name} has a whole restart budget again{pid}"),
    }
}
