//! What the agent tells machines that ask over and over: whether it is ready, and the numbers of Prometheus.

use std::fmt::Write as _;

use super::{Instance, Truth};

/// The state of the agent in numbers; all from memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vitals {
    /// The services, in start order.
    pub services: Vec<ServiceVitals>,
    /// How long the last answer of each listener took: service, listener, seconds.
    pub probes: Vec<(String, String, f64)>,
    /// Commands that probes have run; nothing else of a probe starts a process.
    pub probe_commands: u64,
    /// The generation of the document in force; none while there is none.
    pub generation: Option<i64>,
    /// Whether the newest document was refused.
    pub refused: bool,
    /// Whether everything automatic is suspended.
    pub suspended: bool,
    /// The way to the API server; none for an agent that follows a file.
    pub api: Option<ApiVitals>,
}

/// One service in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceVitals {
    /// Its name.
    pub name: String,
    /// Whether the document wants it.
    pub enabled: bool,
    /// Whether the whole is not ready without it.
    pub required: bool,
    /// Whether it is ready.
    pub ready: bool,
    /// Automatic restarts that count.
    pub restarts_in_window: u32,
    /// Whether its budget is spent.
    pub gave_up: bool,
}

/// What went to the API server so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ApiVitals {
    /// Whether it answered the last time it was asked.
    pub up: bool,
    /// Writes of the own status entry.
    pub status_writes: u64,
    /// Requests that failed, of any kind.
    pub failures: u64,
    /// Events that were told.
    pub events_sent: u64,
    /// Events that were not: too many at once.
    pub events_dropped: u64,
}

impl Vitals {
    /// The services of an instance.
    pub fn services(instance: &Instance) -> Vec<ServiceVitals> {
        let one = |service: &super::ServiceStatus| ServiceVitals {
            name: service.name.clone(),
            enabled: service.enabled,
            required: service.required,
            ready: service.ready == Truth::True,
            restarts_in_window: service.restarts_in_window,
            gave_up: service.gave_up,
        };
        instance.services.iter().map(one).collect()
    }

    /// Why the agent is not ready, in words; none where it is: every required service is ([R30]).
    pub fn not_ready(&self) -> Option<String> {
        if self.generation.is_none() {
            return Some("there is no document in force yet".to_owned());
        }
        let missing = |service: &&ServiceVitals| service.enabled && service.required && !service.ready;
        let down: Vec<&str> = self.services.iter().filter(missing).map(|service| service.name.as_str()).collect();
        (!down.is_empty()).then(|| format!("not ready: {}", down.join(", ")))
    }

    /// In the text format of Prometheus, version 0.0.4.
    pub fn prometheus(&self) -> String {
        let mut text = Text(String::new());
        let wanted = self.services.iter().filter(|service| service.enabled);
        let ready = wanted.clone().filter(|service| service.ready).count();
        text.family("mailward_services_wanted", "gauge", "Services that the document wants.");
        text.sample("mailward_services_wanted", &[], wanted.count());
        text.family("mailward_services_ready", "gauge", "Wanted services that are ready.");
        text.sample("mailward_services_ready", &[], ready);
        let each: [(&str, &str, Number); 3] = [
            ("mailward_service_ready", "Whether a service is ready.", |service| u32::from(service.ready)),
            ("mailward_service_restarts_in_window", "Automatic restarts that count against its budget.", |service| {
                service.restarts_in_window
            }),
            ("mailward_service_gave_up", "Whether its restart budget is spent.", |service| u32::from(service.gave_up)),
        ];
        for (name, help, value) in each {
            text.family(name, "gauge", help);
            for service in &self.services {
                text.sample(name, &[("service", &service.name)], value(service));
            }
        }
        text.family("mailward_probe_seconds", "gauge", "How long the last answer of a listener took.");
        for (service, listener, seconds) in &self.probes {
            text.sample("mailward_probe_seconds", &[("service", service), ("listener", listener)], seconds);
        }
        text.family("mailward_probe_commands_total", "counter", "Commands run for probes; nothing else of them forks.");
        text.sample("mailward_probe_commands_total", &[], self.probe_commands);
        text.family(
            "mailward_document_generation",
            "gauge",
            "Generation of the document in force; 0 before the first.",
        );
        text.sample("mailward_document_generation", &[], self.generation.unwrap_or(0));
        text.family("mailward_document_refused", "gauge", "Whether the newest document was refused.");
        text.sample("mailward_document_refused", &[], u8::from(self.refused));
        text.family("mailward_suspended", "gauge", "Whether everything automatic is suspended.");
        text.sample("mailward_suspended", &[], u8::from(self.suspended));
        if let Some(api) = &self.api {
            text.family("mailward_api_up", "gauge", "Whether the API server answered the last time it was asked.");
            text.sample("mailward_api_up", &[], u8::from(api.up));
            text.family("mailward_api_status_writes_total", "counter", "Writes of the own status entry.");
            text.sample("mailward_api_status_writes_total", &[], api.status_writes);
            text.family("mailward_api_failures_total", "counter", "Requests to the API server that failed.");
            text.sample("mailward_api_failures_total", &[], api.failures);
            text.family("mailward_api_events_total", "counter", "Events, told and dropped.");
            text.sample("mailward_api_events_total", &[("outcome", "sent")], api.events_sent);
            text.sample("mailward_api_events_total", &[("outcome", "dropped")], api.events_dropped);
        }
        text.0
    }
}

/// A number of a service.
type Number = fn(&ServiceVitals) -> u32;

struct Text(String);

impl Text {
    // Writing to a string cannot fail.
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (at, (label, value)) in labels.iter().enumerate() {
            let value = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let _ = write!(self.0, "{}{label}=\"{value}\"", if at == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, enabled: bool, required: bool, ready: bool) -> ServiceVitals {
        ServiceVitals { name: name.into(), enabled, required, ready, ..ServiceVitals::default() }
    }

    #[test]
    fn r30_ready_is_when_every_required_service_is_and_there_is_a_document() {
        let with = |services: Vec<ServiceVitals>| Vitals { services, generation: Some(1), ..Vitals::default() };
        let all = vec![
            service("store", true, true, true),
            service("spare", true, false, false),
            service("off", false, true, false),
        ];
        assert_eq!(with(all.clone()).not_ready(), None);
        let one_down = [all.clone(), vec![service("imap", true, true, false)]].concat();
        assert_eq!(with(one_down).not_ready().as_deref(), Some("not ready: imap"));
        assert!(Vitals { services: all, ..Vitals::default() }.not_ready().is_some(), "no document");
    }

    #[test]
    fn the_numbers_are_in_the_text_format_of_prometheus() {
        let vitals = Vitals {
            services: vec![service("store", true, true, true), service("imap", true, true, false)],
            probes: vec![("imap".into(), "Lmtp /run/\"a\\b".into(), 0.25)],
            probe_commands: 7,
            generation: Some(3),
            api: Some(ApiVitals { up: true, status_writes: 2, events_dropped: 1, ..ApiVitals::default() }),
            ..Vitals::default()
        };
        let text = vitals.prometheus();
        for line in [
            "# TYPE mailward_services_ready gauge",
            "mailward_services_wanted 2",
            "mailward_services_ready 1",
            "mailward_service_ready{service=\"imap\"} 0",
            "mailward_probe_seconds{service=\"imap\",listener=\"Lmtp /run/\\\"a\\\\b\"} 0.25",
            "mailward_probe_commands_total 7",
            "mailward_document_generation 3",
            "mailward_api_status_writes_total 2",
            "mailward_api_events_total{outcome=\"dropped\"} 1",
        ] {
            assert!(text.lines().any(|is| is == line), "{line} is not in\n{text}");
        }
        assert!(!Vitals::default().prometheus().contains("mailward_api"), "no API server, no numbers of one");
    }
}
