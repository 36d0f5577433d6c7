//! Reading /proc: who a process is, whose it is, and who is there at all.
//!
//! Every answer may be out of date when it is given; callers that act on one hold a pidfd first and ask again.

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;

use crate::model::{Identity, Incarnation};

/// The environment variable that marks every process of a service: `<instance>/<name>/<incarnation>`.
pub(super) const MARKER: &str = "MAILWARD_SERVICE";

/// What /proc/PID/stat says, as far as it is needed (`proc_pid_stat(5)`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// `R`, `S`, `D`, `Z`, ...
    pub(super) state: u8,
    /// Parent.
    pub(super) parent: i32,
    /// Process group.
    pub(super) group: i32,
    /// Session.
    pub(super) session: i32,
    /// Clock ticks since boot.
    pub(super) started: u64,
}

impl Stat {
    /// Whether it still runs: a zombie is an exit status that nobody has read.
    pub(super) fn alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Reads /proc/PID/stat; none when there is no such process.
pub(super) fn stat(pid: i32) -> Option<Stat> {
    let mut buffer = [0u8; 1024];
    let mut file = File::open(format!("/proc/{pid}/stat")).ok()?;
    let length = file.read(&mut buffer).ok()?;
    parse_stat(buffer.get(..length)?)
}

/// The second field is the process's own choice and may hold spaces and brackets; the last bracket ends it.
pub(super) fn parse_stat(text: &[u8]) -> Option<Stat> {
    let after = text.iter().rposition(|b| *b == b')')?;
    let rest = std::str::from_utf8(text.get(after + 1..)?).ok()?;
    let mut fields = rest.split_ascii_whitespace();
    let state = *fields.next()?.as_bytes().first()?;
    let parent = fields.next()?.parse().ok()?;
    let group = fields.next()?.parse().ok()?;
    let session = fields.next()?.parse().ok()?;
    let started = fields.nth(15)?.parse().ok()?;
    Some(Stat { state, parent, group, session, started })
}

/// What proves later that a pid is still this process; none when there is none or it is a zombie.
pub(super) fn identity(pid: i32) -> Option<Identity> {
    stat(pid).filter(Stat::alive).map(|s| Identity { pid, started: s.started })
}

/// Whether this very process lives.
pub(super) fn lives(identity: Identity) -> bool {
    self::identity(identity.pid) == Some(identity)
}

/// What a process's environment says of whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// Instance, name, incarnation.
    Of(String, String, Incarnation),
    /// It has none, or may not be read.
    None,
    /// It is about to execute a program and has no environment at all at this moment; ask again.
    NotNow,
}

/// Reads the marker in a process's environment.
pub(super) fn marker(pid: i32) -> Marker {
    // Several times, because it may execute a program between the opening, the reading (what was opened is then gone)
    // and the question why there was nothing to read.
    for _ in 0..8 {
        match environment(pid).as_deref() {
            Ok([]) if between_programs(pid) => return Marker::NotNow,
            Ok([]) => {}
            Ok(environ) => return environ.split(|b| *b == 0).find_map(parse_marker).unwrap_or(Marker::None),
            Err(_) => return Marker::None,
        }
    }
    Marker::None
}

/// The same for a look, which has one chance: waits, within bounds, for a process that is between two programs.
pub(super) fn settled_marker(pid: i32) -> Marker {
    for _ in 0..50 {
        let marker = marker(pid);
        if marker != Marker::NotNow {
            return marker;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Marker::None
}

/// What /proc/PID/environ holds, up to 256 KiB, which bounds what a hostile environment costs.
///
/// By one read: the kernel keeps a program's memory for as long as a read takes, and no longer. One that was read in two
/// parts looks as if it ended after the first where the process executed another program in between.
fn environment(pid: i32) -> std::io::Result<Vec<u8>> {
    let mut environ = Vec::with_capacity(256 * 1024);
    let file = File::open(format!("/proc/{pid}/environ"))?;
    rustix::io::read(&file, rustix::buffer::spare_capacity(&mut environ))?;
    Ok(environ)
}

/// Between the old program's memory and the new one's, execve(2) leaves a process without an environment, and then with one
/// that ends where it begins until its end is found; an empty one is the same for ever. The place of the code (`startcode`,
/// field 26 of /proc/PID/stat) is written after all of that.
fn between_programs(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/stat")).is_ok_and(|text| has_no_code(&text))
}

/// Whether the program of a process is not in place.
pub(super) fn has_no_code(text: &[u8]) -> bool {
    let after = text.iter().rposition(|b| *b == b')').and_then(|at| text.get(at + 1..)).unwrap_or_default();
    // The field after the name is number 3.
    let field = std::str::from_utf8(after).ok().and_then(|rest| rest.split_ascii_whitespace().nth(26 - 3));
    field == Some("0")
}

pub(super) fn parse_marker(entry: &[u8]) -> Option<Marker> {
    let value = entry.strip_prefix(MARKER.as_bytes())?.strip_prefix(b"=")?;
    let mut parts = std::str::from_utf8(value).ok()?.rsplitn(3, '/');
    let incarnation = Incarnation(parts.next()?.parse().ok()?);
    let name = parts.next()?.to_owned();
    Some(Marker::Of(parts.next()?.to_owned(), name, incarnation))
}

/// The name a process goes by, for people.
pub(super) fn name(pid: i32) -> String {
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let comm = comm.trim_end();
    if comm.is_empty() { "a process".to_owned() } else { comm.to_owned() }
}

/// The file a process runs, where that may be read.
pub(super) fn program(pid: i32) -> Option<std::path::PathBuf> {
    std::fs::read_link(format!("/proc/{pid}/exe")).ok()
}

/// Every process that can be seen.
pub(super) fn everyone() -> Vec<i32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|e| std::str::from_utf8(e.file_name().as_bytes()).ok()?.parse().ok()).collect()
}

/// The processes that were handed to this one when their parents died, among them those it started on its first
/// thread. None where the kernel keeps no such list (`CONFIG_PROC_CHILDREN`).
///
/// The kernel hands orphans to the first living thread of the subreaper, and services are started by another thread,
/// so this list is short however many services there are.
pub(super) fn orphans() -> Option<Vec<i32>> {
    let own = std::process::id();
    let list = std::fs::read_to_string(format!("/proc/self/task/{own}/children")).ok()?;
    Some(list.split_ascii_whitespace().filter_map(|pid| pid.parse().ok()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_calls_itself_with_brackets_and_spaces_is_still_read() {
        let line = b"42 (a) R (b) S 7 40 39 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 123456 1000 2";
        let expected = Stat { state: b'S', parent: 7, group: 40, session: 39, started: 123_456 };
        assert_eq!(parse_stat(line), Some(expected));
    }

    #[test]
    fn our_own_stat_can_be_read_and_proves_that_we_live() {
        let own = i32::try_from(std::process::id()).unwrap();
        let identity = identity(own).unwrap();
        assert!(lives(identity));
        assert!(!lives(Identity { started: identity.started + 1, ..identity }));
    }

    #[test]
    fn r05_a_process_that_executes_one_program_after_the_other_never_looks_like_a_stranger() {
        let mut child = std::process::Command::new("/bin/sh")
            .args(["-c", r#"exec /bin/sh -c "$0" "$0""#, r#"exec /bin/sh -c "$0" "$0""#])
            .env_clear()
            // The longer the kernel looks for its end, the longer an environment seems to be none.
            .envs((0..3).map(|n| (format!("FILL{n}"), "x".repeat(80 * 1024))))
            .env(MARKER, "here/restless/7")
            .spawn()
            .unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let ours = Marker::Of("here".to_owned(), "restless".to_owned(), Incarnation(7));
        let seen: Vec<Marker> = (0..5_000).map(|_| marker(pid)).filter(|marker| *marker != Marker::NotNow).collect();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(seen.len() > 100, "{} answers", seen.len());
        let others = seen.iter().filter(|marker| **marker != ours).count();
        assert_eq!(others, 0, "of {} answers", seen.len());
    }

    #[test]
    fn r05_a_process_without_any_environment_is_known_not_to_be_ours() {
        let mut child = std::process::Command::new("/bin/sleep").arg("60").env_clear().spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let answer = settled_marker(pid);
        let says_so = between_programs(pid);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((answer, says_so), (Marker::None, false));
    }

    #[test]
    fn a_marker_is_read_from_the_right_so_that_an_instance_may_hold_a_slash() {
        let read = parse_marker(b"MAILWARD_SERVICE=a/b/imap/12");
        assert_eq!(read, Some(Marker::Of("a/b".to_owned(), "imap".to_owned(), Incarnation(12))));
        assert_eq!(parse_marker(b"MAILWARD_SERVICE=imap/12"), None);
        assert_eq!(parse_marker(b"XMAILWARD_SERVICE=a/imap/12"), None);
    }
}
