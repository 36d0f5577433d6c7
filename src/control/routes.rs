//! The one table of routes: the server answers by it and the description is written from it.

use std::fmt;

use hyper::Method;

use super::Right;

/// Something that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// The whole status.
    Status,
    /// An order.
    Orders,
    /// The plan from here on.
    Plan,
    /// The plan for another document.
    PlanDocument,
    /// Why a service is as it is.
    Why,
    /// What happened.
    History,
    /// What happens, as it happens.
    Events,
    /// What the clock runs.
    Schedule,
    /// A task is to run.
    RunTask,
    /// Runs of a task were missed.
    TaskMissed,
    /// A round of probes now.
    Probe,
    /// The kept answers of probes.
    Probes,
    /// A run of the mail canary now.
    Canary,
    /// The kept runs of the canary.
    CanaryRuns,
    /// The document is read again.
    Refresh,
    /// The agent ends.
    End,
    /// The description of all this.
    Description,
}

/// Every route with its method and its path; `{name}` stands for one segment.
pub const METHODS: [(Route, Method, &str); 17] = [
    (Route::Status, Method::GET, "/v1/status"),
    (Route::Orders, Method::POST, "/v1/orders"),
    (Route::Plan, Method::GET, "/v1/plan"),
    (Route::PlanDocument, Method::POST, "/v1/plan"),
    (Route::Why, Method::GET, "/v1/services/{name}/why"),
    (Route::History, Method::GET, "/v1/history"),
    (Route::Events, Method::GET, "/v1/events"),
    (Route::Schedule, Method::GET, "/v1/schedule"),
    (Route::RunTask, Method::POST, "/v1/tasks/{name}/runs"),
    (Route::TaskMissed, Method::POST, "/v1/tasks/{name}/missed"),
    (Route::Probe, Method::POST, "/v1/probe"),
    (Route::Probes, Method::GET, "/v1/probes"),
    (Route::Canary, Method::POST, "/v1/canary"),
    (Route::CanaryRuns, Method::GET, "/v1/canary"),
    (Route::Refresh, Method::POST, "/v1/refresh"),
    (Route::End, Method::POST, "/v1/end"),
    (Route::Description, Method::GET, "/v1/openapi.json"),
];

/// What a path and a method led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A route, and the segment that `{name}` stood for, decoded.
    Route(Route, Option<String>),
    /// The path is known, the method is not; these are.
    OtherMethod(String),
    /// Nothing.
    Nothing,
}

impl Route {
    /// What a peer must be allowed to do to ask it. A document to plan is taken only from those who may act: reading it
    /// costs the agent work.
    pub fn needs(self) -> Right {
        match self {
            Self::Status
            | Self::Plan
            | Self::Why
            | Self::History
            | Self::Events
            | Self::Schedule
            | Self::Probes
            | Self::CanaryRuns
            | Self::Description => Right::Read,
            Self::Orders
            | Self::Probe
            | Self::Canary
            | Self::PlanDocument
            | Self::RunTask
            | Self::TaskMissed
            | Self::Refresh
            | Self::End => Right::Act,
        }
    }
}

pub(super) fn find(method: &Method, path: &str) -> Found {
    let mut others = Vec::new();
    for (route, wanted, pattern) in &METHODS {
        if let Some(name) = matches(pattern, path) {
            if wanted == method {
                return Found::Route(*route, name);
            }
            others.push(wanted.as_str());
        }
    }
    if others.is_empty() { Found::Nothing } else { Found::OtherMethod(others.join(", ")) }
}

/// Whether a path has this pattern, and what stands for `{name}`.
#[expect(clippy::option_option, reason = "no match, a match without a name, a match with one")]
fn matches(pattern: &str, path: &str) -> Option<Option<String>> {
    let Some((before, after)) = pattern.split_once("{name}") else { return (pattern == path).then_some(None) };
    let name = path.strip_prefix(before)?.strip_suffix(after)?;
    if name.is_empty() || name.contains('/') { None } else { decode(name).map(Some) }
}

/// The value of a parameter of the query.
///
/// # Errors
/// The value is not percent-encoded UTF-8.
pub(super) fn parameter(query: Option<&str>, key: &str) -> Result<Option<String>, ()> {
    for pair in query.unwrap_or_default().split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == key && !value.is_empty() {
            return decode(&value.replace('+', " ")).map(Some).ok_or(());
        }
    }
    Ok(None)
}

/// Undoes percent-encoding (RFC 3986, section 2.1).
fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let digit = |byte: Option<u8>| byte.and_then(|byte| char::from(byte).to_digit(16));
            let (high, low) = (digit(rest.next())?, digit(rest.next())?);
            bytes.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).ok()
}

/// Percent-encodes everything that is not unreserved (RFC 3986, section 2.3).
pub(super) struct Encoded<'a>(pub(super) &'a str);

impl fmt::Display for Encoded<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.0.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                write!(f, "{}", char::from(byte))?;
            } else {
                write!(f, "%{byte:02X}")?;
            }
        }
        Ok(())
    }
}
