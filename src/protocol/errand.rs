//! What is done beyond asking, for the mail canary: a message is handed in, and fetched back and deleted.
//!
//! Decides which words a message has and which messages are the canary's own. Used by the dialogues of SMTP and IMAP.

use std::fmt::Write as _;

/// The header by which a canary's message is known; its value is [`Mark::ours`].
pub const CANARY_HEADER: &str = "X-Mailward-Canary";

/// Messages of earlier runs that one run deletes; the rest is left for the next one.
const AT_ONCE: usize = 500;

/// What is done in a conversation once the peer has been asked everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Errand {
    /// Nothing.
    #[default]
    None,
    /// SMTP: a message is handed in for the script's recipient.
    Send(Letter),
    /// IMAP: the canary's messages are looked for in the inbox and deleted.
    Collect(Mark),
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// For MAIL FROM.
    pub sender: String,
    /// Header and body, lines ended by CR LF; no line begins with a dot.
    pub text: String,
}

/// How the messages of a canary are told from others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// What the header of every message of this canary has in it; no quote and no backslash.
    pub all: String,
    /// What that of this run's message has.
    pub ours: String,
}

impl Mark {
    /// Of the run with this number (unique for the server's name) of the server of this name. A slash on both sides: a
    /// search finds what is anywhere in a header, and `mail/` is also in the mark of a server called `webmail`.
    pub fn new(server: &str, run: &str) -> Self {
        Self { all: format!("/{server}/"), ours: format!("/{server}/{run}/") }
    }
}

impl Letter {
    /// The canary's message. `date` is as RFC 5322 3.3 has it. It says of itself that no person sent it (RFC 3834 5), so
    /// that nothing answers it.
    pub fn canary(mark: &Mark, sender: &str, recipient: &str, date: &str) -> Self {
        let id = mark.ours.trim_matches('/').replace('/', ".");
        let mut text = String::new();
        for (name, value) in [
            ("Date", date),
            ("From", &format!("<{sender}>")),
            ("To", &format!("<{recipient}>")),
            ("Message-ID", &format!("<{id}@{}>", super::HELO_NAME)),
            ("Subject", "Mailward canary"),
            ("Auto-Submitted", "auto-generated"),
            (CANARY_HEADER, &mark.ours),
        ] {
            // Writing to a string cannot fail.
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\nSent to see whether mail comes through; it is deleted on arrival.\r\n");
        Self { sender: sender.to_owned(), text }
    }
}

/// The numbers of a `SEARCH` response (RFC 9051 7.3.4), as a sequence set for a command; none where there is none.
pub(super) fn sequence_set(response: &[u8]) -> Option<String> {
    let words = response.split(|byte| *byte == b' ').skip(1);
    let numbers = words.filter(|word| (1..=10).contains(&word.len()) && word.iter().all(u8::is_ascii_digit));
    let numbers: Vec<&str> = numbers.filter_map(|word| std::str::from_utf8(word).ok()).take(AT_ONCE).collect();
    (!numbers.is_empty()).then(|| numbers.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_is_known_by_its_header_and_answers_nobody() {
        let mark = Mark::new("mail", "1764158400000");
        let letter =
            Letter::canary(&mark, "canary@example.org", "canary@example.org", "Thu, 26 Nov 2026 12:00:00 +0000");
        assert!(letter.text.contains("\r\nX-Mailward-Canary: /mail/1764158400000/\r\n"), "{}", letter.text);
        assert!(letter.text.contains("\r\nAuto-Submitted: auto-generated\r\n"));
        assert!(letter.text.contains("\r\nMessage-ID: <mail.1764158400000@probe.mailward.invalid>\r\n"));
        assert!(letter.text.split("\r\n").all(|line| !line.starts_with('.') && !line.contains(['\r', '\n'])));
    }

    #[test]
    fn a_server_whose_name_ends_like_anothers_does_not_own_the_others_messages() {
        let (mail, webmail) = (Mark::new("mail", "1"), Mark::new("webmail", "1"));
        assert!(!webmail.ours.contains(&mail.all), "{} is in {}", mail.all, webmail.ours);
        assert!(!Mark::new("mail", "12").ours.contains(&mail.ours) && mail.ours.contains(&mail.all));
    }

    #[test]
    fn only_numbers_of_a_search_become_a_sequence_set() {
        assert_eq!(sequence_set(b"SEARCH 3 17 204").as_deref(), Some("3,17,204"));
        assert_eq!(sequence_set(b"SEARCH"), None);
        assert_eq!(sequence_set(b"SEARCH *:* 1:9 x 99999999999 7").as_deref(), Some("7"));
        let many = (1..=2_000).fold("SEARCH".to_owned(), |all, number| format!("{all} {number}"));
        assert_eq!(sequence_set(many.as_bytes()).unwrap().split(',').count(), AT_ONCE);
    }
}
