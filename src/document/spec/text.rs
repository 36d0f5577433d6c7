//! Constrained strings: each has a pattern for the schema, the same test in Rust, and words for a person.
//!
//! The pattern is what the API server enforces, the function what `validate` calls; a test holds them together.

use std::borrow::Cow;
use std::fmt;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What a constrained string must look like.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// As the schema says it; the common subset of RE2 and ECMA 262.
    pub pattern: &'static str,
    /// Longest permitted length in characters.
    pub max: u32,
    /// As a person is told: it follows the words "expected ".
    pub words: &'static str,
    /// The same test without a regular expression engine.
    pub holds: fn(&str) -> bool,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident { pattern: $pattern:literal, max: $max:literal, words: $words:literal, holds: $holds:expr })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub String);

            impl $name {
                /// What it must look like.
                pub const FORM: Form = Form { pattern: $pattern, max: $max, words: $words, holds: $holds };
            }

            impl Deref for $name {
                type Target = str;
                fn deref(&self) -> &str {
                    &self.0
                }
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.write_str(&self.0)
                }
            }

            impl From<&str> for $name {
                fn from(text: &str) -> Self {
                    Self(text.to_owned())
                }
            }

            impl JsonSchema for $name {
                fn schema_name() -> Cow<'static, str> {
                    stringify!($name).into()
                }
                fn inline_schema() -> bool {
                    true
                }
                fn json_schema(_: &mut SchemaGenerator) -> Schema {
                    let shortest = u32::from(!(Self::FORM.holds)(""));
                    json_schema!({ "type": "string", "minLength": shortest, "maxLength": $max, "pattern": $pattern })
                }
            }
        )*

        /// Every form, so that a pattern met in the schema finds its words and its test.
        pub const FORMS: &[Form] = &[
            $($name::FORM,)*
            super::quantity::Interval::FORM,
            super::quantity::Size::FORM,
            super::quantity::Room::FORM,
            super::quantity::Quantity::FORM,
        ];
    };
}

texts! {
    /// Name of a service, a task or a restart group.
    ServiceName {
        pattern: "^[a-z][a-z0-9_-]{0,62}$", max: 63,
        words: "a name of lower-case letters, digits, `_` and `-` that starts with a letter, at most 63 characters",
        holds: |t| starts(t, |c| c.is_ascii_lowercase()) && t.len() <= 63
            && all(t, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-')
    }
    /// Name of the document: a DNS label (RFC 1123), since Kubernetes derives host names from it.
    ObjectName {
        pattern: "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", max: 63,
        words: "a DNS label: lower-case letters, digits and `-`, a letter or digit at both ends, at most 63 characters",
        holds: |t| {
            let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            t.len() <= 63 && all(t, |c| end(c) || c == '-') && starts(t, end) && t.chars().next_back().is_some_and(end)
        }
    }
    /// An absolute path.
    AbsolutePath {
        pattern: "^/[^\\x00-\\x1f\\x7f]*$", max: 1024,
        words: "an absolute path, such as `/var/lib/mail`",
        holds: |t| t.starts_with('/') && all(t, printable)
    }
    /// A path, absolute or relative to what its field says.
    PathText {
        pattern: "^[^\\x00-\\x1f\\x7f]+$", max: 1024,
        words: "a path without control characters",
        holds: |t| !t.is_empty() && all(t, printable)
    }
    /// A program or an argument: a C string, which a NUL would cut (execve(2)).
    Argument {
        pattern: "^[^\\x00]*$", max: 4096,
        words: "text without NUL, at most 4096 characters",
        holds: |t| all(t, |c| c != '\0')
    }
    /// Value of an environment variable.
    Value {
        pattern: "^[^\\x00]*$", max: 8192,
        words: "text without NUL, at most 8192 characters",
        holds: |t| all(t, |c| c != '\0')
    }
    /// Name of an environment variable.
    VariableName {
        pattern: "^[A-Za-z_][A-Za-z0-9_]*$", max: 256,
        words: "a variable name of letters, digits and `_` that does not start with a digit",
        holds: |t| starts(t, |c| c.is_ascii_alphabetic() || c == '_') && all(t, |c| c.is_ascii_alphanumeric() || c == '_')
    }
    /// A user or a group, by name or number.
    Account {
        pattern: "^[A-Za-z0-9_][A-Za-z0-9_.@-]*$", max: 256,
        words: "the name or number of a user or group",
        holds: |t| starts(t, |c| c.is_ascii_alphanumeric() || c == '_')
            && all(t, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '@' | '-'))
    }
    /// A host name or an IP address.
    Address {
        pattern: "^[0-9A-Za-z_.:%-]+$", max: 253,
        words: "a host name or an IP address without brackets and port, such as `127.0.0.1` or `::1`",
        holds: |t| !t.is_empty() && all(t, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '%' | '-'))
    }
    /// A mail address, in the part of RFC 5321 4.1.2 that needs no quoting and no SMTPUTF8.
    MailAddress {
        pattern: "^[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+(@[A-Za-z0-9.-]+)?$", max: 254,
        words: "a mail address, such as `postmaster@example.org`",
        holds: |t| {
            let (local, domain) = t.split_once('@').map_or((t, None), |(local, domain)| (local, Some(domain)));
            !local.is_empty() && all(local, |c| c.is_ascii_alphanumeric() || ".!#$%&'*+/=?^_`{|}~-".contains(c))
                && domain.is_none_or(|d| !d.is_empty() && all(d, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-')))
        }
    }
    /// The name somebody logs in with.
    LoginName {
        pattern: "^[^\\x00-\\x1f\\x7f]+$", max: 128,
        words: "a user name without control characters",
        holds: |t| !t.is_empty() && all(t, printable)
    }
    /// The path of a URL, with or without a query.
    UrlPath {
        pattern: "^/[!-~]*$", max: 1024,
        words: "the path of a URL, such as `/healthz`",
        holds: |t| t.starts_with('/') && all(t, |c| c.is_ascii_graphic())
    }
    /// A moment, RFC 3339.
    Timestamp {
        pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$", max: 40,
        words: "a moment as RFC 3339 writes it, such as `2026-11-23T12:00:00Z`",
        holds: is_rfc3339
    }
    /// Five fields of cron.
    Crontab {
        pattern: "^[^ \\t\\r\\n]+([ \\t]+[^ \\t\\r\\n]+){4}$", max: 256,
        words: "five cron fields (minute hour day month weekday), such as `0 23 * * *`",
        holds: |t| t.split([' ', '\t']).filter(|f| !f.is_empty()).count() == 5
            && !t.contains(['\r', '\n']) && !t.starts_with([' ', '\t']) && !t.ends_with([' ', '\t'])
    }
    /// Name of a time zone in the IANA database.
    ZoneName {
        pattern: "^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$", max: 64,
        words: "an IANA time zone, such as `UTC` or `Europe/Berlin`",
        holds: |t| starts(t, |c| c.is_ascii_alphabetic()) && t.split('/').count() <= 3
            && t.split('/').all(|part| !part.is_empty() && all(part, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '+' | '-')))
    }
    /// Version, resource, group or system as a cluster manager names them.
    Label {
        pattern: "^[A-Za-z0-9][A-Za-z0-9_.:-]*$", max: 128,
        words: "letters, digits and `_ . : -`, at most 128 characters",
        holds: |t| starts(t, |c| c.is_ascii_alphanumeric())
            && all(t, |c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '-'))
    }
    /// Reference of a container image.
    Image {
        pattern: "^[a-z0-9][A-Za-z0-9._:/@-]*$", max: 512,
        words: "an image reference, such as `registry.example/mail:1.2`",
        holds: |t| starts(t, |c| c.is_ascii_lowercase() || c.is_ascii_digit())
            && all(t, |c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '@' | '-'))
    }
    /// Name of a storage class: a DNS subdomain (RFC 1123).
    ClassName {
        pattern: "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", max: 253,
        words: "lower-case letters, digits, `.` and `-`, a letter or digit at both ends",
        holds: |t| {
            let end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
            all(t, |c| end(c) || c == '.' || c == '-') && starts(t, end) && t.chars().next_back().is_some_and(end)
        }
    }
}

fn starts(text: &str, fits: impl Fn(char) -> bool) -> bool {
    text.chars().next().is_some_and(fits)
}

fn all(text: &str, fits: impl Fn(char) -> bool) -> bool {
    text.chars().all(fits)
}

fn printable(c: char) -> bool {
    c > '\u{1f}' && c != '\u{7f}'
}

fn is_rfc3339(text: &str) -> bool {
    let bytes = text.as_bytes();
    let shape = |part: &[u8], shape: &[u8]| {
        part.len() == shape.len()
            && part
                .iter()
                .zip(shape)
                .all(|(byte, wanted)| if *wanted == b'0' { byte.is_ascii_digit() } else { byte == wanted })
    };
    let Some((moment, mut rest)) = bytes.split_at_checked(19) else { return false };
    if !shape(moment, b"0000-00-00T00:00:00") {
        return false;
    }
    if let Some(fraction) = rest.strip_prefix(b".") {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if !(1..=9).contains(&digits) {
            return false;
        }
        rest = &fraction[digits..];
    }
    rest == b"Z" || shape(rest, b"+00:00") || shape(rest, b"-00:00")
}
