//! A `MessagingServer` document as text that a person likes to read and edit.
//!
//! Writes words, knows no rules: whether the text is a good document is for `validate` to say.

use std::fmt;
use std::path::PathBuf;

/// A document in the making.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentText {
    /// Lines of comment above it, without the `#`.
    pub about: Vec<String>,
    /// `metadata.name`.
    pub name: String,
    /// `spec.profile`.
    pub profile: &'static str,
    /// `spec.serverRoot`.
    pub server_root: PathBuf,
    /// `spec.dataRoot`.
    pub data_root: PathBuf,
    /// Further fields of `spec`, name and YAML.
    pub fields: Vec<(&'static str, String)>,
    /// `spec.services`, in order.
    pub services: Vec<ServiceText>,
}

/// One service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceText {
    /// Its name.
    pub name: String,
    /// Program and arguments; empty leaves it to the profile.
    pub command: Vec<String>,
    /// Further fields, name and YAML.
    pub fields: Vec<(&'static str, String)>,
    /// Where it listens; empty leaves it to the profile.
    pub listeners: Vec<Listen>,
}

/// A listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listen {
    /// A port of 127.0.0.1 and the protocol.
    Port(u16, &'static str),
    /// A Unix socket and the protocol.
    Socket(PathBuf, &'static str),
}

impl ServiceText {
    /// A service with a command.
    pub fn new(name: &str, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { name: name.to_owned(), command: command.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds a field; `yaml` is written as it is.
    #[must_use]
    pub fn field(mut self, name: &'static str, yaml: impl Into<String>) -> Self {
        self.set(name, yaml);
        self
    }

    /// Sets a field, in place of one that is there; `yaml` is written as it is.
    pub fn set(&mut self, name: &'static str, yaml: impl Into<String>) {
        self.fields.retain(|(there, _)| *there != name);
        self.fields.push((name, yaml.into()));
    }

    /// Adds a listener.
    #[must_use]
    pub fn listen(mut self, listener: Listen) -> Self {
        self.listeners.push(listener);
        self
    }
}

impl DocumentText {
    /// The service of that name, to be changed.
    pub fn service(&mut self, name: &str) -> Option<&mut ServiceText> {
        self.services.iter_mut().find(|service| service.name == name)
    }
}

impl fmt::Display for DocumentText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.about {
            writeln!(f, "# {line}")?;
        }
        writeln!(f, "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer")?;
        writeln!(f, "metadata:\n  name: {}", scalar(&self.name))?;
        writeln!(f, "spec:\n  profile: {}", self.profile)?;
        writeln!(f, "  serverRoot: {}", scalar(&self.server_root.to_string_lossy()))?;
        writeln!(f, "  dataRoot: {}", scalar(&self.data_root.to_string_lossy()))?;
        for (name, yaml) in &self.fields {
            writeln!(f, "  {name}: {yaml}")?;
        }
        writeln!(f, "  services:")?;
        self.services.iter().try_for_each(|service| write!(f, "{service}"))
    }
}

impl fmt::Display for ServiceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "    - name: {}", scalar(&self.name))?;
        if !self.command.is_empty() {
            writeln!(f, "      command: {}", list(&self.command))?;
        }
        for (name, yaml) in &self.fields {
            writeln!(f, "      {name}: {yaml}")?;
        }
        if !self.listeners.is_empty() {
            writeln!(f, "      listeners:")?;
        }
        for listener in &self.listeners {
            match listener {
                Listen::Port(port, protocol) => writeln!(f, "        - {{port: {port}, protocol: {protocol}}}")?,
                Listen::Socket(path, protocol) => {
                    writeln!(f, "        - {{socket: {}, protocol: {protocol}}}", scalar(&path.to_string_lossy()))?;
                }
            }
        }
        Ok(())
    }
}

/// A flow sequence of strings.
pub(super) fn list(words: &[impl AsRef<str>]) -> String {
    let words: Vec<String> = words.iter().map(|word| scalar(word.as_ref())).collect();
    format!("[{}]", words.join(", "))
}

/// A string: plain where nobody can take it for anything else, in quotes otherwise. YAML 1.2 takes every JSON string.
pub(super) fn scalar(text: &str) -> String {
    let plain = text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '/')
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_yaml_would_take_for_something_else_are_quoted() {
        for text in ["-F", "", "on", "127.0.0.1:25", "daemon off;", "a b", "7", "~", "\u{1f4e7}\n"] {
            assert!(scalar(text).starts_with('"'), "{text}");
        }
        assert_eq!(scalar("/usr/sbin/dovecot"), "/usr/sbin/dovecot");
    }

    #[test]
    fn a_document_reads_as_a_person_would_write_it() {
        let mut document = DocumentText {
            about: vec!["a demo".into()],
            name: "demo".into(),
            profile: "Oracle",
            server_root: "/s".into(),
            data_root: "/d".into(),
            fields: vec![("autorestart", "{enabled: true}".into())],
            services: vec![
                ServiceText::new("imap", ["/bin/imapd", "-F"]).listen(Listen::Port(1143, "Imap")),
                ServiceText::new("pop", [""; 0]).field("enabled", "true"),
            ],
        };
        document.service("pop").unwrap().set("enabled", "false");
        let expected = "\
# a demo
apiVersion: mailward.dev/v1alpha1
kind: MessagingServer
metadata:
  name: demo
spec:
  profile: Oracle
  serverRoot: /s
  dataRoot: /d
  autorestart: {enabled: true}
  services:
    - name: imap
      command: [/bin/imapd, \"-F\"]
      listeners:
        - {port: 1143, protocol: Imap}
    - name: pop
      enabled: false
";
        assert_eq!(document.to_string(), expected);
    }
}
