//! What the operator counts, and its text for Prometheus.
//!
//! Counted from memory and shown from memory.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::metrics::Meter;

use crate::kinds::Kind;

/// The counters of one process.
#[derive(Debug, Default)]
pub struct Metrics {
    rounds: AtomicU64,
    status_writes: AtomicU64,
    rolled: AtomicU64,
    leads: AtomicBool,
    resources: AtomicU64,
    writes: Mutex<BTreeMap<Kind, u64>>,
    failures: Mutex<BTreeMap<&'static str, u64>>,
}

impl Metrics {
    /// A round has begun.
    pub fn reconciled(&self) {
        self.rounds.fetch_add(1, Ordering::Relaxed);
    }

    /// A step failed.
    pub fn failed(&self, step: &'static str) {
        *self.failures.lock().unwrap_or_else(PoisonError::into_inner).entry(step).or_default() += 1;
    }

    /// An object was written or deleted.
    pub fn applied(&self, kind: Kind) {
        *self.writes.lock().unwrap_or_else(PoisonError::into_inner).entry(kind).or_default() += 1;
    }

    /// A status was written.
    pub fn status_written(&self) {
        self.status_writes.fetch_add(1, Ordering::Relaxed);
    }

    /// A pod was replaced.
    pub fn rolled(&self) {
        self.rolled.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether this operator has the lease.
    pub fn leads(&self, leads: bool) {
        self.leads.store(leads, Ordering::Relaxed);
    }

    /// How many resources there are.
    pub fn resources(&self, number: usize) {
        self.resources.store(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Shows the same to a collector, where there is one: asked for when it is sent, from memory.
    pub fn observed_by(self: &Arc<Self>, meter: &Meter) {
        let counter = |name: &'static str, help: &'static str, count: fn(&Self) -> u64| {
            let own = Arc::clone(self);
            let tell = move |observer: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
                observer.observe(count(&own), &[]);
            };
            let _ = meter.u64_observable_counter(name).with_description(help).with_callback(tell).build();
        };
        counter("mailward.controller.reconciles", "Rounds that were begun.", |of| of.rounds.load(Ordering::Relaxed));
        counter("mailward.controller.status_writes", "Writes of a status.", |of| {
            of.status_writes.load(Ordering::Relaxed)
        });
        counter("mailward.controller.pods_replaced", "Pods deleted to be replaced.", |of| {
            of.rolled.load(Ordering::Relaxed)
        });
        counter("mailward.controller.writes", "Objects written or deleted.", |of| {
            of.writes.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
        });
        counter("mailward.controller.failures", "Rounds that failed.", |of| {
            of.failures.lock().unwrap_or_else(PoisonError::into_inner).values().sum()
        });
        let own = Arc::clone(self);
        let gauge =
            meter.u64_observable_gauge("mailward.controller.resources").with_description("Resources that are watched.");
        let _ =
            gauge.with_callback(move |observer| observer.observe(own.resources.load(Ordering::Relaxed), &[])).build();
    }

    /// The exposition format of Prometheus, version 0.0.4.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut family = |name: &str, kind: &str, help: &str, samples: &[(String, u64)]| {
            // Writing into a String cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        };
        let one = |counter: &AtomicU64| vec![(String::new(), counter.load(Ordering::Relaxed))];
        let leads = u64::from(self.leads.load(Ordering::Relaxed));
        let writes = self.writes.lock().unwrap_or_else(PoisonError::into_inner);
        let writes: Vec<_> = writes.iter().map(|(kind, count)| (format!("{{kind=\"{kind:?}\"}}"), *count)).collect();
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let failures: Vec<_> = failures.iter().map(|(step, count)| (format!("{{step=\"{step}\"}}"), *count)).collect();
        family(
            "mailward_controller_leader",
            "gauge",
            "Whether this operator has the lease.",
            &[(String::new(), leads)],
        );
        family("mailward_controller_resources", "gauge", "Resources that are watched.", &one(&self.resources));
        family("mailward_controller_reconciles_total", "counter", "Rounds that were begun.", &one(&self.rounds));
        family("mailward_controller_failures_total", "counter", "Rounds that failed, by step.", &failures);
        family("mailward_controller_writes_total", "counter", "Objects written or deleted, by kind.", &writes);
        family("mailward_controller_status_writes_total", "counter", "Writes of a status.", &one(&self.status_writes));
        family(
            "mailward_controller_pods_replaced_total",
            "counter",
            "Pods deleted to be replaced.",
            &one(&self.rolled),
        );
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_shown_by_name_and_label() {
        let metrics = Metrics::default();
        metrics.applied(Kind::Service);
        metrics.applied(Kind::Service);
        metrics.failed("apply");
        metrics.leads(true);
        let text = metrics.text();
        for line in [
            "mailward_controller_writes_total{kind=\"Service\"} 2",
            "mailward_controller_failures_total{step=\"apply\"} 1",
            "mailward_controller_leader 1",
            "mailward_controller_reconciles_total 0",
        ] {
            assert!(text.lines().any(|it| it == line), "{line} is not in\n{text}");
        }
    }
}
