//! POP3: RFC 1939, with CAPA (RFC 2449) and STLS (RFC 2595). Status indicators are upper case there.

use super::Script;
use super::dialogue::Turn;

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The one line of the greeting.
    Greeting,
    Stls,
    Capa,
    /// The lines behind the answer to CAPA, up to the dot.
    Capabilities,
    User,
    Pass,
}

const QUIT: &str = "QUIT\r\n";

impl Phase {
    /// For a close that comes too early.
    pub(super) fn awaited(self) -> &'static str {
        match self {
            Self::Greeting => "its greeting (+OK)",
            Self::Stls => "its answer to STLS",
            Self::Capa => "its answer to CAPA",
            Self::Capabilities => "the end of its capabilities",
            Self::User => "its answer to USER",
            Self::Pass => "its answer to PASS",
        }
    }

    pub(super) fn secured(&mut self, script: &Script) -> Turn {
        self.ask(script)
    }

    pub(super) fn line(&mut self, line: &[u8], script: &Script) -> Turn {
        if *self == Self::Capabilities {
            return if line == b"." { self.log_in(script) } else { Turn::wait() };
        }
        let (good, bad) = (is(line, b"+OK"), is(line, b"-ERR"));
        if !good && !bad {
            let expected = if *self == Self::Greeting { "a POP3 greeting (+OK or -ERR)" } else { "+OK or -ERR" };
            return Turn::violation(expected, line);
        }
        match *self {
            // A server older than RFC 2449 does not know the question.
            Self::Capa if bad => self.log_in(script),
            // The password was right, and somebody else reads this mailbox now (RFC 2449 8.1.2).
            Self::Pass if bad && has_code(line, b"IN-USE") => Turn::alive(QUIT),
            Self::Greeting | Self::Stls | Self::Capa | Self::Capabilities | Self::User | Self::Pass if bad => {
                Turn::refused(line, QUIT)
            }
            Self::Greeting if script.start_tls => {
                *self = Self::Stls;
                Turn::say("STLS\r\n")
            }
            Self::Greeting => self.ask(script),
            Self::Stls => Turn::secure(),
            Self::Capa | Self::Capabilities => {
                *self = Self::Capabilities;
                Turn::wait()
            }
            Self::User => {
                let Some(login) = &script.login else { return Turn::alive(QUIT) };
                *self = Self::Pass;
                Turn::say(format!("PASS {}\r\n", login.password()))
            }
            Self::Pass => Turn::alive(QUIT),
        }
    }

    fn ask(&mut self, script: &Script) -> Turn {
        if !script.whole {
            return Turn::alive(QUIT);
        }
        *self = Self::Capa;
        Turn::say("CAPA\r\n")
    }

    fn log_in(&mut self, script: &Script) -> Turn {
        let Some(login) = &script.login else { return Turn::alive(QUIT) };
        *self = Self::User;
        Turn::say(format!("USER {}\r\n", login.user()))
    }
}

fn is(line: &[u8], indicator: &[u8]) -> bool {
    line.strip_prefix(indicator).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')))
}

/// `-ERR [IN-USE] text`.
fn has_code(line: &[u8], code: &[u8]) -> bool {
    let rest = line.strip_prefix(b"-ERR [").unwrap_or_default();
    rest.get(..code.len()).is_some_and(|word| word.eq_ignore_ascii_case(code)) && rest.get(code.len()) == Some(&b']')
}

/// Any answer to QUIT.
pub(super) fn is_goodbye(line: &[u8]) -> bool {
    is(line, b"+OK") || is(line, b"-ERR")
}
