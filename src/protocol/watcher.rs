//! The lines between a store client and the watcher ([R14]): bytes in, words out. `manifests/reference/watcher.md`
//! documents them for every language.
//!
//! ```text
//! watcher  MAILWARD 1 PROVE 5f2c...            on TCP; on the Unix socket the kernel proves: MAILWARD 1
//! client   PROOF 9a01...                       HMAC-SHA256 of the challenge, keyed with the secret; both as hex text
//! watcher  OK
//! client   REGISTER mboxutil 4711 heartbeat=30
//! watcher  OK
//! client   ALIVE                               STRESSED, STRESSED imap
//! client   GOODBYE
//! watcher  OK
//! ```
//!
//! A peer is not trusted: a line has at most [`LINE`] bytes, and what means nothing ends the dialogue. It knows no
//! socket, no clock and no process: whether a pid may be registered is asked of its caller.

use std::time::Duration;

use crate::model::Name;

/// Most bytes of a line, its end included.
pub const LINE: usize = 256;
/// Longest name of a client.
const NAME: usize = 64;
/// Longest heartbeat, in seconds: a day.
const LONGEST: u64 = 86_400;

/// What a client says, once it is known to be allowed to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// This process may hold locks of the store.
    Register {
        /// What it calls itself: letters, digits, `.`, `_` and `-`.
        name: Name,
        /// The process.
        pid: i32,
        /// How often it will say that it lives; at least a second.
        heartbeat: Option<Duration>,
    },
    /// It lives.
    Alive,
    /// It, or this service, is under stress.
    Stressed(Option<Name>),
    /// Its end will concern nobody.
    Goodbye,
}

/// What came of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// To be sent back; the dialogue goes on.
    Answer(&'static str),
    /// To be sent back; then the connection is closed.
    End(String),
    /// The client says something.
    Word(Word),
}

/// One connection's dialogue.
#[derive(Clone, Debug)]
pub struct Dialogue {
    line: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// The challenge, and the proof that answers it.
    Proving {
        challenge: String,
        proof: String,
    },
    Open,
    Ended,
}

impl Dialogue {
    /// With a peer whose credentials the kernel told.
    pub fn known() -> Self {
        Self { line: Vec::new(), stage: Stage::Open }
    }

    /// With a peer who must prove that it knows the secret.
    pub fn unknown(challenge: String, proof: String) -> Self {
        Self { line: Vec::new(), stage: Stage::Proving { challenge, proof } }
    }

    /// What is said first.
    pub fn greeting(&self) -> String {
        match &self.stage {
            Stage::Proving { challenge, .. } => format!("MAILWARD 1 PROVE {challenge}\n"),
            Stage::Open | Stage::Ended => "MAILWARD 1\n".to_owned(),
        }
    }

    /// Whether the peer may register: it has proved, or need not.
    pub fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Takes one byte; gives what the line that it ends comes to.
    pub fn push(&mut self, byte: u8) -> Option<Heard> {
        if self.stage == Stage::Ended {
            return None;
        }
        if byte != b'\n' {
            if self.line.len() + 1 >= LINE {
                return Some(self.end("a line may have 256 bytes"));
            }
            self.line.push(byte);
            return None;
        }
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let Some(words) =
            std::str::from_utf8(line).ok().filter(|line| line.bytes().all(|b| (b' '..=b'~').contains(&b)))
        else {
            return Some(self.end("a line is printable ASCII"));
        };
        let words: Vec<&str> = words.split_ascii_whitespace().collect();
        if let Stage::Proving { proof, .. } = &self.stage {
            return Some(match words[..] {
                ["PROOF", answer] if is_same(answer, proof) => {
                    self.stage = Stage::Open;
                    Heard::Answer("OK\n")
                }
                ["PROOF", _] => self.end("that is not the proof; read the secret anew"),
                _ => self.end("expected PROOF, the HMAC-SHA256 of the challenge with the secret, in hex"),
            });
        }
        Some(match words[..] {
            ["ALIVE"] => Heard::Word(Word::Alive),
            ["STRESSED"] => Heard::Word(Word::Stressed(None)),
            ["STRESSED", service] if is_name(service) => Heard::Word(Word::Stressed(Some(Name::from(service)))),
            ["GOODBYE"] => Heard::Word(Word::Goodbye),
            ["REGISTER", name, pid] => self.register(name, pid, None),
            ["REGISTER", name, pid, heartbeat] => self.register(name, pid, Some(heartbeat)),
            _ => self.end("expected REGISTER NAME PID [heartbeat=SECONDS], ALIVE, STRESSED [SERVICE] or GOODBYE"),
        })
    }

    fn register(&mut self, name: &str, pid: &str, heartbeat: Option<&str>) -> Heard {
        if !is_name(name) {
            return self.end("a name has up to 64 letters, digits, dots, lines and underscores");
        }
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let Some(pid) = Some(pid).filter(|pid| digits(pid)).and_then(|pid| pid.parse().ok()).filter(|pid| *pid > 0)
        else {
            return self.end("a pid is a number");
        };
        let heartbeat = match heartbeat {
            None => None,
            Some(said) => {
                let seconds = said.strip_prefix("heartbeat=").filter(|seconds| digits(seconds));
                let seconds = seconds.and_then(|seconds| seconds.parse().ok());
                let Some(seconds) = seconds.filter(|seconds| (1..=LONGEST).contains(seconds)) else {
                    return self.end("a heartbeat is heartbeat=SECONDS, from 1 to 86400");
                };
                Some(Duration::from_secs(seconds))
            }
        };
        Heard::Word(Word::Register { name: Name::from(name), pid, heartbeat })
    }

    fn end(&mut self, words: &str) -> Heard {
        self.stage = Stage::Ended;
        self.line = Vec::new();
        Heard::End(format!("NO {words}\n"))
    }
}

fn is_name(text: &str) -> bool {
    (1..=NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

/// Compares in a time that does not tell how much is right. Hex may be written in capitals.
fn is_same(answer: &str, proof: &str) -> bool {
    let differ = |(a, b): (u8, u8)| a.to_ascii_lowercase() ^ b;
    answer.len() == proof.len() && answer.bytes().zip(proof.bytes()).map(differ).fold(0, |all, one| all | one) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(dialogue: &mut Dialogue, line: &str) -> Option<Heard> {
        line.bytes().chain(*b"\n").find_map(|byte| dialogue.push(byte))
    }

    fn refused(line: &str) -> bool {
        let mut dialogue = Dialogue::known();
        let ended = matches!(heard(&mut dialogue, line), Some(Heard::End(words)) if words.starts_with("NO ") && words.ends_with('\n'));
        ended && heard(&mut dialogue, "GOODBYE").is_none()
    }

    #[test]
    fn r14_the_lines_of_a_client_are_read() {
        let register = |heartbeat| Word::Register { name: "mboxutil".into(), pid: 4711, heartbeat };
        let table = [
            ("REGISTER mboxutil 4711", register(None)),
            ("REGISTER mboxutil 4711\r", register(None)),
            ("REGISTER mboxutil 4711 heartbeat=30", register(Some(Duration::from_secs(30)))),
            ("ALIVE", Word::Alive),
            ("STRESSED", Word::Stressed(None)),
            ("STRESSED imap", Word::Stressed(Some("imap".into()))),
            ("GOODBYE", Word::Goodbye),
        ];
        let mut dialogue = Dialogue::known();
        assert_eq!(dialogue.greeting(), "MAILWARD 1\n");
        for (line, word) in table {
            assert_eq!(heard(&mut dialogue, line), Some(Heard::Word(word)), "{line}");
        }
    }

    #[test]
    fn r14_what_means_nothing_ends_the_dialogue_with_words() {
        for line in [
            "",
            "alive",
            "REGISTER",
            "REGISTER x",
            "REGISTER x 0",
            "REGISTER x -1",
            "REGISTER x +1",
            "REGISTER x 99999999999",
            "REGISTER x/y 1",
            "REGISTER x 1 heartbeat=0",
            "REGISTER x 1 heartbeat=86401",
            "REGISTER x 1 30",
            "ALIVE now",
            "REGISTER x 1 heartbeat=30 more",
            "GOODBYE\u{7}",
            "HELLO \u{e9}",
        ] {
            assert!(refused(line), "{line:?}");
        }
        assert!(refused(&"A".repeat(LINE)), "a line without an end costs no more than its bound");
        assert!(refused(&format!("REGISTER {} 1", "x".repeat(65))));
    }

    #[test]
    fn r14_on_tcp_nothing_is_heard_before_the_proof() {
        let open = || Dialogue::unknown("c0ffee".to_owned(), "abcd".to_owned());
        assert_eq!(open().greeting(), "MAILWARD 1 PROVE c0ffee\n");
        for line in ["REGISTER x 1", "PROOF abce", "PROOF abc", "PROOF", "PROOF abcd abcd", "ALIVE"] {
            let mut dialogue = open();
            assert!(matches!(heard(&mut dialogue, line), Some(Heard::End(_))), "{line}");
            assert!(!dialogue.is_open() && heard(&mut dialogue, "PROOF abcd").is_none(), "one chance a connection");
        }
        let mut dialogue = open();
        assert_eq!(heard(&mut dialogue, "PROOF ABCD"), Some(Heard::Answer("OK\n")));
        assert!(dialogue.is_open());
        assert_eq!(heard(&mut dialogue, "ALIVE"), Some(Heard::Word(Word::Alive)));
    }
}
