//! A request that failed: what kind of failure it is, and how long the server asks to be left alone.

use std::time::Duration;

use crate::sources::SourceError;

/// Why a request gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The answer did not come in time.
    #[error("no answer in {} s", .0.as_secs())]
    Late(Duration),
    /// The watch was silent for longer than a server keeps silent.
    #[error("the watch was silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// The server or the way to it refused.
    #[error("{}", words(.0))]
    Refused(#[source] Box<kube::Error>),
    /// The resource was deleted.
    #[error("it was deleted")]
    Deleted,
}

impl From<kube::Error> for Failure {
    fn from(error: kube::Error) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl Failure {
    /// What it means for the document.
    pub(super) fn of_source(&self) -> SourceError {
        match self.code() {
            _ if matches!(self, Self::Deleted) => SourceError::Gone,
            Some(404) => SourceError::Gone,
            Some(403) => SourceError::Forbidden,
            Some(_) | None => SourceError::Away,
        }
    }

    /// Whether the versions that the watch goes on from are too old by now (410): everything is read anew at once.
    pub(super) fn is_too_old(&self) -> bool {
        self.code() == Some(410)
    }

    /// How long the server asks not to be asked again (429, 503).
    pub(super) fn retry_after(&self) -> Duration {
        let Self::Refused(error) = self else { return Duration::ZERO };
        let kube::Error::Api(status) = &**error else { return Duration::ZERO };
        let seconds = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
        // A server that asks for hours is not believed: a document may have changed.
        Duration::from_secs(u64::from(seconds)).min(Duration::from_mins(2))
    }

    fn code(&self) -> Option<u16> {
        match self {
            Self::Refused(error) => match &**error {
                kube::Error::Api(status) => Some(status.code),
                _ => None,
            },
            Self::Late(_) | Self::Silent(_) | Self::Deleted => None,
        }
    }
}

/// kube says some causes twice; the last one says most.
fn words(error: &kube::Error) -> String {
    if let kube::Error::Api(status) = error {
        return format!("{} ({})", status.message, status.code);
    }
    let mut last: &dyn std::error::Error = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use kube::core::Status;
    use kube::core::response::StatusDetails;

    use super::*;

    fn refused(code: u16, retry_after_seconds: u32) -> Failure {
        let details: StatusDetails =
            serde_json::from_value(serde_json::json!({ "retryAfterSeconds": retry_after_seconds })).unwrap();
        let status = Status { code, details: Some(details), ..Status::failure("words", "Reason") };
        Failure::from(kube::Error::Api(status.boxed()))
    }

    #[test]
    fn r28_each_failure_has_its_meaning_and_none_is_a_stop() {
        for (failure, meaning) in [
            (refused(404, 0), SourceError::Gone),
            (Failure::Deleted, SourceError::Gone),
            (refused(403, 0), SourceError::Forbidden),
            (refused(401, 0), SourceError::Away),
            (refused(429, 1), SourceError::Away),
            (Failure::Late(Duration::from_secs(10)), SourceError::Away),
        ] {
            assert_eq!(failure.of_source(), meaning, "{failure}");
        }
        assert!(refused(410, 0).is_too_old() && !refused(404, 0).is_too_old());
    }

    #[test]
    fn r28_a_server_that_asks_for_time_gets_it_within_reason() {
        assert_eq!(refused(429, 7).retry_after(), Duration::from_secs(7));
        assert_eq!(refused(429, 86_400).retry_after(), Duration::from_mins(2));
        assert_eq!(Failure::Deleted.retry_after(), Duration::ZERO);
        assert_eq!(refused(429, 7).to_string(), "words (429)");
    }
}
