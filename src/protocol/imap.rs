//! IMAP: RFC 9051, and RFC 3501 before it.

use super::dialogue::Turn;
use super::errand::{CANARY_HEADER, Errand, sequence_set};
use super::script::quoted;
use super::{Script, starts_with_word};

/// How far it has come, and what the server said that it can do.
#[derive(Clone, Debug, Default)]
pub(super) struct Phase {
    awaits: Awaits,
    /// The number of the last tag, `mw1` and on.
    tag: u8,
    auth_plain: bool,
    login_disabled: bool,
    /// UIDPLUS (RFC 4315) or what has it in itself (RFC 9051).
    uid_expunge: bool,
    /// What the search under way found, as a sequence set.
    listed: Option<String>,
    /// The canary's messages.
    all: String,
    found: bool,
}

/// Whose answer is awaited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Awaits {
    /// The first line, which is `* OK`, `* PREAUTH` or `* BYE` and nothing else.
    #[default]
    Greeting,
    StartTls,
    Capability,
    /// The `+` after which the credentials are sent.
    Continuation,
    Login,
    /// What it can do for who is logged in; more as a rule.
    Able,
    Select,
    /// Every message of the canary.
    SearchAll,
    /// The message of this run.
    SearchOurs,
    Store,
    Expunge,
}

impl Phase {
    pub(super) fn has_found(&self) -> bool {
        self.found
    }

    pub(super) fn has_greeted(&self) -> bool {
        self.awaits != Awaits::Greeting
    }

    /// For a close that comes too early.
    pub(super) fn awaited(&self) -> &'static str {
        match self.awaits {
            Awaits::Greeting => "its greeting (* OK)",
            Awaits::StartTls => "its answer to STARTTLS",
            Awaits::Capability | Awaits::Able => "its answer to CAPABILITY",
            Awaits::Continuation => "its answer to AUTHENTICATE",
            Awaits::Login => "its answer to the login",
            Awaits::Select => "its answer to SELECT",
            Awaits::SearchAll | Awaits::SearchOurs => "its answer to UID SEARCH",
            Awaits::Store => "its answer to UID STORE",
            Awaits::Expunge => "its answer to UID EXPUNGE",
        }
    }

    pub(super) fn secured(&mut self, script: &Script) -> Turn {
        self.ask(script)
    }

    pub(super) fn line(&mut self, line: &[u8], script: &Script) -> Turn {
        if self.awaits == Awaits::Greeting {
            return self.greeting(line, script);
        }
        if let Some(response) = line.strip_prefix(b"* ") {
            // The server closes by itself after BYE (RFC 9051 7.1.5); there is nobody left to say LOGOUT to.
            if starts_with_word(response, b"BYE") {
                return Turn::refused(line, "");
            }
            if starts_with_word(response, b"CAPABILITY") {
                self.capabilities(response);
            }
            if starts_with_word(response, b"SEARCH") {
                self.listed = sequence_set(response);
            }
            return Turn::wait();
        }
        if line.first() == Some(&b'+') && self.awaits == Awaits::Continuation {
            let Some(login) = &script.login else { return Turn::violation("a tagged answer", line) };
            self.awaits = Awaits::Login;
            return Turn::say(login.plain() + "\r\n");
        }
        let Some(answer) = self.tagged(line) else {
            return Turn::violation("an untagged line or the tagged answer", line);
        };
        if starts_with_word(answer, b"NO") || starts_with_word(answer, b"BAD") {
            return Turn::refused(line, self.command("LOGOUT"));
        }
        if !starts_with_word(answer, b"OK") {
            return Turn::violation("OK, NO or BAD behind the tag", line);
        }
        match self.awaits {
            Awaits::Greeting | Awaits::Continuation => Turn::violation("a continuation (+)", line),
            Awaits::StartTls => Turn::secure(),
            Awaits::Capability => self.log_in(script),
            Awaits::Login => self.logged_in(script),
            Awaits::Able
            | Awaits::Select
            | Awaits::SearchAll
            | Awaits::SearchOurs
            | Awaits::Store
            | Awaits::Expunge => self.collect(script),
        }
    }

    fn logged_in(&mut self, script: &Script) -> Turn {
        match script.errand {
            Errand::Collect(_) => {
                self.awaits = Awaits::Able;
                Turn::say(self.command("CAPABILITY"))
            }
            Errand::None | Errand::Send(_) => Turn::alive(self.command("LOGOUT")),
        }
    }

    /// One step further in the search for the canary's messages. They are deleted by number: a plain EXPUNGE would take
    /// what other people marked along.
    fn collect(&mut self, script: &Script) -> Turn {
        let Errand::Collect(mark) = &script.errand else { return Turn::alive(self.command("LOGOUT")) };
        let listed = self.listed.take();
        let (awaits, words) = match self.awaits {
            Awaits::Able => (Awaits::Select, "SELECT INBOX".to_owned()),
            Awaits::Select => (Awaits::SearchAll, search(&mark.all)),
            Awaits::SearchAll => {
                let Some(all) = listed else { return Turn::alive(self.command("LOGOUT")) };
                self.all = all;
                (Awaits::SearchOurs, search(&mark.ours))
            }
            Awaits::SearchOurs => {
                // It may have come between the two searches, or be one too many for the first.
                if let Some(ours) = listed {
                    self.found = true;
                    self.all = format!("{ours},{}", self.all);
                }
                (Awaits::Store, format!("UID STORE {} +FLAGS.SILENT (\\Deleted)", self.all))
            }
            Awaits::Store if self.uid_expunge => (Awaits::Expunge, format!("UID EXPUNGE {}", self.all)),
            Awaits::Store => {
                let words = b"no UIDPLUS: the canary's message is marked as deleted, and stays";
                return Turn::refused(words, self.command("LOGOUT"));
            }
            Awaits::Greeting
            | Awaits::StartTls
            | Awaits::Capability
            | Awaits::Continuation
            | Awaits::Login
            | Awaits::Expunge => return Turn::alive(self.command("LOGOUT")),
        };
        self.awaits = awaits;
        Turn::say(self.command(&words))
    }

    /// The tagged answer to LOGOUT; the untagged BYE comes before it.
    pub(super) fn is_goodbye(&self, line: &[u8]) -> bool {
        self.tagged(line).is_some()
    }

    fn greeting(&mut self, line: &[u8], script: &Script) -> Turn {
        let Some(response) = line.strip_prefix(b"* ") else {
            return Turn::violation("an IMAP greeting (* OK, * PREAUTH or * BYE)", line);
        };
        if starts_with_word(response, b"OK") {
            if script.start_tls {
                self.awaits = Awaits::StartTls;
                return Turn::say(self.command("STARTTLS"));
            }
            self.ask(script)
        } else if starts_with_word(response, b"PREAUTH") {
            // Who is logged in already can neither log in nor begin TLS (RFC 9051 6.2.1).
            self.logged_in(script)
        } else if starts_with_word(response, b"BYE") {
            Turn::refused(line, "")
        } else {
            Turn::violation("an IMAP greeting (* OK, * PREAUTH or * BYE)", line)
        }
    }

    fn ask(&mut self, script: &Script) -> Turn {
        if !script.whole {
            return Turn::alive(self.command("LOGOUT"));
        }
        self.awaits = Awaits::Capability;
        Turn::say(self.command("CAPABILITY"))
    }

    fn capabilities(&mut self, response: &[u8]) {
        for word in response.split(|byte| *byte == b' ') {
            self.auth_plain |= word.eq_ignore_ascii_case(b"AUTH=PLAIN");
            self.login_disabled |= word.eq_ignore_ascii_case(b"LOGINDISABLED");
            self.uid_expunge |= word.eq_ignore_ascii_case(b"UIDPLUS") || word.eq_ignore_ascii_case(b"IMAP4rev2");
        }
    }

    fn log_in(&mut self, script: &Script) -> Turn {
        let Some(login) = &script.login else { return Turn::alive(self.command("LOGOUT")) };
        if self.auth_plain {
            self.awaits = Awaits::Continuation;
            return Turn::say(self.command("AUTHENTICATE PLAIN"));
        }
        if self.login_disabled {
            return Turn::refused(b"LOGINDISABLED, and no AUTH=PLAIN", self.command("LOGOUT"));
        }
        self.awaits = Awaits::Login;
        let words = format!("LOGIN {} {}", quoted(login.user()), quoted(login.password()));
        Turn::say(self.command(&words))
    }

    fn command(&mut self, words: &str) -> String {
        self.tag = self.tag.saturating_add(1);
        format!("mw{} {words}\r\n", self.tag)
    }

    /// What follows our last tag.
    fn tagged<'a>(&self, line: &'a [u8]) -> Option<&'a [u8]> {
        let tag = format!("mw{}", self.tag);
        if !starts_with_word(line, tag.as_bytes()) {
            return None;
        }
        Some(line.get(tag.len() + 1..).unwrap_or_default())
    }
}

fn search(value: &str) -> String {
    format!("UID SEARCH HEADER {CANARY_HEADER} {}", quoted(value))
}
