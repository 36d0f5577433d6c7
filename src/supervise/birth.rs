//! What a child is to be, and what became of it: data for the one clone in `sys/clone.rs`.

use std::ffi::CString;
use std::ops::Range;
use std::sync::Arc;

use super::gate::Gate;

/// User, group and supplementary groups a child takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ids {
    /// User id.
    pub(super) uid: u32,
    /// Group id.
    pub(super) gid: u32,
    /// Supplementary groups, the primary one included.
    pub(super) groups: Vec<u32>,
}

/// One resource limit: which, and how much for both the soft and the hard limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    /// `RLIMIT_*`.
    pub(super) resource: u32,
    /// New value.
    pub(super) value: u64,
}

/// The way into a cgroup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entrance {
    /// Its folder, for a child that is born in it (`CLONE_INTO_CGROUP`).
    pub(super) directory: CString,
    /// Its `cgroup.procs`, for a child that moves in.
    pub(super) procs: CString,
}

/// Why a text cannot be handed to a program.
pub(super) fn holds_nul(text: &str) -> String {
    format!("`{}` holds a NUL character; remove it", text.replace('\0', "\\0"))
}

/// Arguments or variables, in one piece of memory: many small ones would cost a restart more than the planning of it.
#[derive(Debug, Default)]
pub(super) struct Texts {
    bytes: Vec<u8>,
    places: Vec<Range<usize>>,
}

impl Texts {
    /// One more, put together of these parts; the words say what is wrong with it.
    pub(super) fn push(&mut self, parts: &[&str]) -> Result<(), String> {
        if parts.iter().any(|part| part.contains('\0')) {
            return Err(holds_nul(&parts.concat()));
        }
        let begin = self.bytes.len();
        for part in parts {
            self.bytes.extend_from_slice(part.as_bytes());
        }
        self.bytes.push(0);
        self.places.push(begin..self.bytes.len());
        Ok(())
    }

    /// Each with the NUL that ends it.
    pub(super) fn each(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().filter_map(|place| self.bytes.get(place.clone()))
    }
}

/// Everything the child does between clone and exec, prepared by the parent: it must not allocate, because it runs in
/// the parent's memory.
#[derive(Debug)]
pub(super) struct Birth {
    /// Paths to execute, tried in order (the directories of PATH, or one path).
    pub(super) candidates: Vec<CString>,
    /// Arguments, the program's name first.
    pub(super) argv: Texts,
    /// Environment, `NAME=value` each.
    pub(super) envp: Texts,
    /// Working directory.
    pub(super) directory: CString,
    /// FIFO that becomes standard output and error.
    pub(super) output: CString,
    /// The cgroup to be born in.
    pub(super) cgroup: Option<Entrance>,
    /// Ids to take; none keeps the agent's.
    pub(super) ids: Option<Ids>,
    /// Limits to set.
    pub(super) limits: Vec<Limit>,
    /// Whether the agent protects itself from the kernel's out-of-memory killer; the child must not inherit that.
    pub(super) forgive_oom: bool,
    /// Whether our standard input becomes its own: where it is `/dev/null` anyway.
    pub(super) keeps_input: bool,
    /// Where it waits until it is decided whether it is wanted; none where it is.
    pub(super) gate: Option<Arc<Gate>>,
}

/// Where a child failed before it became the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// No process could be made.
    Clone,
    /// The descriptor table could not be left behind.
    Descriptors,
    /// `/dev/null` could not be opened.
    Null,
    /// The output FIFO could not be opened.
    Output,
    /// No session of its own.
    Session,
    /// It was not wanted after all, or the agent is gone.
    Gate,
    /// The groups could not be taken.
    Groups,
    /// The group could not be taken.
    Group,
    /// The user could not be taken.
    User,
    /// The working directory could not be entered.
    Directory,
    /// No candidate could be executed.
    Exec,
}

/// A failed birth; nothing of it is left, the child is reaped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stillborn {
    /// Where.
    pub(super) stage: Stage,
    /// The kernel's error number.
    pub(super) errno: i32,
    /// Which candidate the number is about.
    pub(super) candidate: usize,
}

/// A child that became its program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Born {
    /// Its pid; also its session and process group.
    pub(super) pid: i32,
    /// Why it could not enter its cgroup, if it could not.
    pub(super) cgroup_errno: Option<i32>,
    /// One bit for each limit (by index) whose hard limit could not be raised.
    pub(super) short_limits: u8,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_kept_whole_and_ended_and_what_a_program_could_not_read_is_refused_by_name() {
        let mut texts = Texts::default();
        texts.push(&["LANG", "=", "C"]).unwrap();
        texts.push(&[""]).unwrap();
        assert_eq!(texts.push(&["KEY", "=", "a\0b"]).unwrap_err(), "`KEY=a\\0b` holds a NUL character; remove it");
        texts.push(&["TERM="]).unwrap();
        assert_eq!(texts.each().collect::<Vec<_>>(), [b"LANG=C\0".as_slice(), b"\0", b"TERM=\0"]);
    }
}
