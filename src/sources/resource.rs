//! The resource that an agent in a pod follows: which one, and in which pod.
//!
//! Plain data from the environment; the watching is the room `kubernetes`.

use std::time::Duration;

/// Whose document an agent follows, and what it is to the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// The namespace of resource and pod.
    pub namespace: String,
    /// The name of the `MessagingServer`.
    pub name: String,
    /// The pod, which is also the name of its entry in `status.instances`.
    pub pod: String,
    /// The uid of the pod; another one is as good as a reboot ([R6]).
    pub pod_uid: String,
    /// The node it runs on, where that is known.
    pub node: Option<String>,
    /// From the end of the pod to its kill; none where nobody said.
    pub grace: Option<Duration>,
}

/// The environment does not say which resource is meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// A variable is missing or empty.
    #[error("{0} is not set; the operator sets it in the pods it makes")]
    Missing(&'static str),
    /// A variable that is a number is none.
    #[error("{name} is {value:?}, and must be a number of seconds")]
    NotANumber {
        /// Which.
        name: &'static str,
        /// What it says.
        value: String,
    },
}

impl Resource {
    /// From the variables `MAILWARD_NAMESPACE`, `MAILWARD_NAME`, `MAILWARD_POD_NAME`, `MAILWARD_POD_UID`, and where they
    /// are set `MAILWARD_NODE_NAME` and `MAILWARD_GRACE_SECONDS`.
    ///
    /// # Errors
    /// One of the first four is missing, or the last is no number.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Result<Self, ResourceError> {
        let said = |name| variable(name).filter(|value| !value.is_empty());
        let needed = |name| said(name).ok_or(ResourceError::Missing(name));
        let grace = said("MAILWARD_GRACE_SECONDS").map(|value| match value.parse() {
            Ok(seconds) => Ok(Duration::from_secs(seconds)),
            Err(_) => Err(ResourceError::NotANumber { name: "MAILWARD_GRACE_SECONDS", value }),
        });
        Ok(Self {
            namespace: needed("MAILWARD_NAMESPACE")?,
            name: needed("MAILWARD_NAME")?,
            pod: needed("MAILWARD_POD_NAME")?,
            pod_uid: needed("MAILWARD_POD_UID")?,
            node: said("MAILWARD_NODE_NAME"),
            grace: grace.transpose()?,
        })
    }

    /// For messages: `MessagingServer mail in namespace post`.
    pub fn words(&self) -> String {
        format!("MessagingServer {} in namespace {}", self.name, self.namespace)
    }
}

/// `metadata.generation` of a document that was kept as the API server gave it.
pub fn generation(document: &[u8]) -> Option<i64> {
    let value: serde_json::Value = serde_json::from_slice(document).ok()?;
    value.pointer("/metadata/generation")?.as_i64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [(&str, &str); 6] = [
        ("MAILWARD_NAMESPACE", "post"),
        ("MAILWARD_NAME", "mail"),
        ("MAILWARD_POD_NAME", "mail-0"),
        ("MAILWARD_POD_UID", "1-2-3"),
        ("MAILWARD_NODE_NAME", "node"),
        ("MAILWARD_GRACE_SECONDS", "300"),
    ];

    fn read(variables: &[(&str, &str)]) -> Result<Resource, ResourceError> {
        Resource::from_environment(|name| {
            variables.iter().rev().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_says_which_resource_and_which_pod() {
        let resource = read(&ALL).unwrap();
        assert_eq!(
            (resource.words(), resource.pod),
            ("MessagingServer mail in namespace post".into(), "mail-0".into())
        );
        assert_eq!((resource.grace, resource.node), (Some(Duration::from_mins(5)), Some("node".into())));
        let least = read(&ALL[..4]).unwrap();
        assert_eq!((least.grace, least.node), (None, None));
    }

    #[test]
    fn a_variable_that_is_missing_or_no_number_is_named() {
        for missing in 0..4 {
            let mut variables = ALL.to_vec();
            variables[missing].1 = "";
            assert_eq!(read(&variables), Err(ResourceError::Missing(ALL[missing].0)));
        }
        let error = read(&[&ALL[..], &[("MAILWARD_GRACE_SECONDS", "5m")]].concat()).unwrap_err();
        assert_eq!(error.to_string(), "MAILWARD_GRACE_SECONDS is \"5m\", and must be a number of seconds");
    }

    #[test]
    fn the_generation_is_read_from_what_was_kept() {
        assert_eq!(generation(br#"{"metadata": {"generation": 7}}"#), Some(7));
        assert_eq!(generation(b"metadata: {}"), None);
    }
}
