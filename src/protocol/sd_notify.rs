//! What a service says of itself by `sd_notify(3)`: assignments, one a line, in one datagram.

use std::time::Duration;

/// One thing a service says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    /// `READY=1`.
    Ready,
    /// `RELOADING=1`.
    Reloading,
    /// `STOPPING=1`.
    Stopping,
    /// `STATUS=...`.
    Status(String),
    /// `MAINPID=...`.
    MainPid(i32),
    /// `WATCHDOG=1`: it is well.
    Watchdog,
    /// `WATCHDOG=trigger`: it says itself that it hangs.
    Hangs,
    /// `EXTEND_TIMEOUT_USEC=...`.
    Extend(Duration),
}

/// Reads a datagram; what is unknown or malformed is passed over, as the protocol demands.
pub fn read(datagram: &[u8]) -> Vec<Word> {
    String::from_utf8_lossy(datagram)
        .lines()
        .filter_map(|line| match line.split_once('=')? {
            ("READY", "1") => Some(Word::Ready),
            ("RELOADING", "1") => Some(Word::Reloading),
            ("STOPPING", "1") => Some(Word::Stopping),
            ("STATUS", text) => Some(Word::Status(text.chars().filter(|c| !c.is_control()).take(512).collect())),
            ("MAINPID", pid) => pid.parse().ok().filter(|pid| *pid > 0).map(Word::MainPid),
            ("WATCHDOG", "1") => Some(Word::Watchdog),
            ("WATCHDOG", "trigger") => Some(Word::Hangs),
            ("EXTEND_TIMEOUT_USEC", text) => text.parse().ok().map(|us| Word::Extend(Duration::from_micros(us))),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_a_datagram_is_understood_and_noise_is_passed_over() {
        let said = read(b"READY=1\nSTATUS=init: replaying\x07 log\nMAINPID=77\nMAINPID=-1\nX\nWATCHDOG=1\nERRNO=2\n");
        let status = Word::Status("init: replaying log".to_owned());
        assert_eq!(said, [Word::Ready, status, Word::MainPid(77), Word::Watchdog]);
        assert_eq!(
            read(b"WATCHDOG=trigger\nEXTEND_TIMEOUT_USEC=5000000"),
            [Word::Hangs, Word::Extend(Duration::from_secs(5))]
        );
        assert_eq!(read(b"\xff\xfe=\n=\n\n"), []);
    }
}
