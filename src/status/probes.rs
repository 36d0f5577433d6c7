//! What rounds of probes found: the table of `mailward probe`, and the series that is kept of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{Health, Level};

/// What a round found, a line a service and a line a listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeReport {
    /// Everything that was asked for, in list order; then what is external and was asked for its sake.
    pub services: Vec<ServiceProbe>,
    /// Disks and queues, in the order of the document; empty where single services were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gauges: Vec<GaugeProbe>,
}

/// What was measured of a disk or a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct GaugeProbe {
    /// `disk /var/mail`, `queue outgoing`.
    pub name: String,
    /// What it is taken to be; absent where it has not been measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<Level>,
    /// How long the measuring took.
    pub took_ms: u64,
    /// The numbers that were read.
    pub numbers: String,
    /// Which threshold was crossed, or why it is not known; empty where it is within.
    pub finding: String,
}

/// What a round found of one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceProbe {
    /// The service.
    pub service: String,
    /// Not ours: a dependency of `spec.external`.
    pub external: bool,
    /// What the round says of it; absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whether that makes it a hang.
    pub hangs: bool,
    /// The same in words; where it was not asked, why not. Empty where it answers.
    pub finding: String,
    /// Its listeners, in the order of the document.
    pub listeners: Vec<ListenerProbe>,
}

/// What a round found of one listener.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ListenerProbe {
    /// Its protocol and place, such as `Imap 143`; `Command` and the program for a command.
    pub listener: String,
    /// From the first attempt to connect, or the start of the command, to what was heard.
    pub took_ms: u64,
    /// `Served`, `Refused`, `BadCertificate`, `Violation`, `Silent`, `NotListening`, `ClosedEarly` or `Unknown`.
    pub verdict: String,
    /// In words, where there is more to say.
    pub words: String,
    /// Days until the certificate that was served is no longer good; negative since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_days: Option<i64>,
}

/// The kept answers of one service, or what was read by one gauge, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeSeries {
    /// The service, or the gauge.
    pub service: String,
    /// At most 120.
    pub samples: Vec<ProbeSample>,
}

/// One kept answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ProbeSample {
    /// RFC 3339.
    pub time: String,
    /// Which listener, by its place among the enabled ones; the number after the last is the command's.
    pub listener: u16,
    /// How long the answer took.
    pub took_ms: u64,
    /// As in [`ListenerProbe::verdict`]; of a gauge `Within`, `Crossed` or `Unknown`.
    pub verdict: String,
    /// Of a disk its free bytes, of a queue its messages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u64>,
}
