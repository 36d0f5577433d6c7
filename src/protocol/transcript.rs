//! What was said in a conversation, kept as evidence of what a peer did: bounded, printable, secrets masked.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::lines::LINE_LIMIT;
use super::printable;
use super::script::mask;

/// How many lines are kept from the beginning, and as many from the end: what was said first tells which server it was,
/// what was said last where it stopped.
const KEPT: usize = 24;

/// Who spoke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    /// The server.
    Peer,
    /// The probe.
    Probe,
    /// Nobody: what the connection did.
    Note,
}

/// One line of a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Spoken {
    at: Duration,
    speaker: Speaker,
    text: String,
}

/// A conversation, line by line, each with the time since its beginning. It takes bytes as they come and forgets the
/// middle of what is too long; one conversation takes at most a few kilobytes.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    first: Vec<Spoken>,
    last: VecDeque<Spoken>,
    left_out: usize,
    /// A line of the peer that has not ended.
    open: Option<(Duration, Vec<u8>)>,
    secrets: Vec<Vec<u8>>,
}

impl Transcript {
    /// From now on these words are masked wherever they occur, an echo by the peer included.
    pub fn mask(&mut self, secrets: impl IntoIterator<Item = Vec<u8>>) {
        self.secrets.extend(secrets.into_iter().filter(|secret| !secret.is_empty()));
    }

    /// What the peer sent, cut anywhere.
    pub fn heard(&mut self, at: Duration, bytes: &[u8]) {
        for byte in bytes {
            let (_, line) = self.open.get_or_insert_with(|| (at, Vec::new()));
            match byte {
                b'\n' => self.close(""),
                // More than a whole line is not looked at: the dialogue ends there too.
                _ if line.len() < LINE_LIMIT => line.push(*byte),
                _ => {}
            }
        }
    }

    /// What the probe sent.
    pub fn said(&mut self, at: Duration, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.close(" (and no end of line)");
        for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            self.line(at, Speaker::Probe, line, "");
        }
    }

    /// What the connection did, in words of ours.
    pub fn note(&mut self, at: Duration, text: impl Into<String>) {
        self.close(" (and no end of line)");
        self.keep(Spoken { at, speaker: Speaker::Note, text: text.into() });
    }

    fn close(&mut self, end: &str) {
        if let Some((at, line)) = self.open.take() {
            self.line(at, Speaker::Peer, &line, end);
        }
    }

    fn line(&mut self, at: Duration, speaker: Speaker, line: &[u8], end: &str) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let text = printable(&mask(&self.secrets, line)) + end;
        self.keep(Spoken { at, speaker, text });
    }

    fn keep(&mut self, spoken: Spoken) {
        if self.first.len() < KEPT {
            self.first.push(spoken);
            return;
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
            self.left_out += 1;
        }
        self.last.push_back(spoken);
    }
}

impl fmt::Display for Spoken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.speaker {
            Speaker::Peer => "S:",
            Speaker::Probe => "C:",
            Speaker::Note => "--",
        };
        write!(f, "{:8.3} {mark} {}", self.at.as_secs_f64(), self.text)
    }
}

impl fmt::Display for Transcript {
    /// A line a line: seconds since the beginning, `S:` for the server, `C:` for the probe, `--` for what happened.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for spoken in &self.first {
            writeln!(f, "{spoken}")?;
        }
        if self.left_out > 0 {
            writeln!(f, "         -- {} lines are left out", self.left_out)?;
        }
        for spoken in &self.last {
            writeln!(f, "{spoken}")?;
        }
        if let Some((at, line)) = &self.open {
            let text = printable(&mask(&self.secrets, line)) + " (and no end of line)";
            writeln!(f, "{}", Spoken { at: *at, speaker: Speaker::Peer, text })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: Duration = Duration::from_millis(1_500);

    #[test]
    fn a_conversation_reads_as_it_was_held_however_it_was_cut() {
        let mut transcript = Transcript::default();
        transcript.note(Duration::ZERO, "connected");
        for byte in b"* OK \x1b hello\r\n" {
            transcript.heard(AT, &[*byte]);
        }
        transcript.said(AT, b"a\r\nb\r\n");
        transcript.heard(AT, b"* BYE\r\nhal");
        let text = transcript.to_string();
        let expected = "   0.000 -- connected\n   1.500 S: * OK \\x1b hello\n   1.500 C: a\n   1.500 C: b\n   1.500 S: * BYE\n   1.500 S: hal (and no end of line)\n";
        assert_eq!(text, expected);
        transcript.note(AT, "the time is over");
        assert!(transcript.to_string().ends_with("hal (and no end of line)\n   1.500 -- the time is over\n"));
    }

    #[test]
    fn a_secret_is_masked_in_what_is_said_and_in_its_echo_even_when_it_comes_in_pieces() {
        let mut transcript = Transcript::default();
        transcript.mask([b"hunter".to_vec(), b"hunter2".to_vec(), vec![]]);
        transcript.said(AT, b"PASS hunter2\r\n");
        transcript.heard(AT, b"-ERR bad command PASS hun");
        transcript.heard(AT, b"ter2, or hunter?\r\n");
        let text = transcript.to_string();
        assert!(text.contains("C: PASS [masked]\n"), "{text}");
        assert!(text.contains("S: -ERR bad command PASS [masked], or [masked]?\n"), "{text}");
    }

    #[test]
    fn what_is_endless_keeps_its_beginning_and_its_end() {
        let mut transcript = Transcript::default();
        for number in 0..100_000 {
            transcript.heard(AT, format!("220-{number}\r\n").as_bytes());
        }
        transcript.heard(AT, &vec![b'x'; 1_000_000]);
        let text = transcript.to_string();
        assert!(text.contains("220-0\n") && text.contains("220-99999\n") && text.contains("99952 lines are left out"));
        assert!(text.len() < 4_000, "{}", text.len());
    }
}
