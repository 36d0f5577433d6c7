//! `run`: the agent in the foreground.

use std::ffi::OsString;
use std::path::Path;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tracing_subscriber::EnvFilter;

use super::args::{From, Run};
use super::failure::{CONFIG, Failure, OK, SYSTEM, USAGE, chain};
use super::folders::Folders;
use super::names;
use crate::agent::{self, Settings};
use crate::sources::Resource;

/// In the runtime folder: the names of the services that are not to be held by the next agent, one a line. systemd
/// starts a unit without arguments, so `start-msg imap` says it here; the agent that reads it removes it.
pub(crate) const HOLD_ALL_BUT: &str = "hold-all-but";

/// Runs the agent until it is told to end.
pub(crate) fn run(said: &Run) -> Result<u8, Failure> {
    if said.new_session {
        // Fails only for the leader of a process group, which then has left the terminal already.
        let _ = rustix::process::setsid();
    }
    if let Some(pid) = said.end_with {
        end_with(pid)?;
    }
    let folders = Folders::of(&said.place)?;
    log(std::env::var_os("JOURNAL_STREAM").is_none());
    let hold_all_but = match &said.hold_all_but {
        Some(names) => Some(named(names.iter().map(String::as_str))),
        None => left_for_us(&folders.runtime_dir),
    };
    let Folders { config, state_dir, runtime_dir } = folders;
    let resource = match said.from {
        From::File => None,
        From::Kubernetes => Some(resource()?),
    };
    let health = said.health.as_ref().map(|health| health.0.clone()).unwrap_or_default();
    let successor = again(std::env::args_os());
    match agent::run(&Settings { config, resource, health, state_dir, runtime_dir, hold_all_but, successor }) {
        Ok(()) => Ok(OK),
        Err(error) => Err(Failure::new(error.exit_code(), chain(&error))),
    }
}

/// The resource that the environment names.
fn resource() -> Result<Resource, Failure> {
    if !cfg!(feature = "kubernetes") {
        let words =
            "this mailward is built without the feature `kubernetes`; run it with --from file, or build it with it";
        return Err(Failure::new(USAGE, words));
    }
    let read = Resource::from_environment(|name| std::env::var(name).ok());
    read.map_err(|error| Failure::new(CONFIG, format!("--from kubernetes: {}", chain(&error))))
}

/// The kernel sends TERM when the parent is gone ([`man 2 PR_SET_PDEATHSIG`]), which stops everything in order. A parent
/// that went before that was set is seen by its number; nothing is started then, and nothing has to be stopped.
///
/// [`man 2 PR_SET_PDEATHSIG`]: https://man7.org/linux/man-pages/man2/pr_set_pdeathsig.2const.html
fn end_with(parent: i32) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::TERM)).map_err(|error| Failure::of(SYSTEM, &error))?;
    match getppid().map(|pid| pid.as_raw_nonzero().get()) {
        Some(pid) if pid == parent => Ok(()),
        Some(_) | None => Err(Failure::new(SYSTEM, format!("process {parent} is not the parent of this one"))),
    }
}

/// The words without those that were for the first start alone.
fn again(words: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut left = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        if word == "--hold-all-but" {
            words.next();
        } else if !word.as_encoded_bytes().starts_with(b"--hold-all-but=") {
            left.push(word);
        }
    }
    left
}

fn named<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let words: Vec<String> = words.map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect();
    names::expand(&words)
}

fn left_for_us(runtime_dir: &Path) -> Option<Vec<String>> {
    let path = runtime_dir.join(HOLD_ALL_BUT);
    let text = std::fs::read_to_string(&path).ok()?;
    // Were it to stay, the agent after this one would hold everything too.
    match std::fs::remove_file(&path) {
        Ok(()) => Some(named(text.lines())),
        Err(_) => None,
    }
}

/// What is logged where nobody says otherwise. A failed request is told by the one who made it.
const QUIET: &str = "info,kube_client=off,kube_runtime=off,tower=off";

/// The console is the standard error ([R12]). The journal stamps lines itself (`JOURNAL_STREAM`, systemd.exec(5)), and so
/// does the agent those of its services.
/// `MAILWARD_LOG` is a filter such as `debug` or `mailward::control=debug`.
pub(crate) fn log(stamped: bool) {
    let filter = EnvFilter::try_from_env("MAILWARD_LOG").unwrap_or_else(|_| EnvFilter::new(QUIET));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(false);
    // Somebody has set a subscriber already only where the agent runs inside a test.
    let _ =
        if stamped { lines.with_target(false).try_init() } else { lines.without_time().with_target(false).try_init() };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_left_by_start_msg_are_read_once() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(left_for_us(folder.path()), None);
        std::fs::write(folder.path().join(HOLD_ALL_BUT), "imap\nmta\n").expect("it is written");
        let names = left_for_us(folder.path()).expect("it is there");
        assert_eq!(names, ["imap", "dispatcher", "job_controller"]);
        assert_eq!(left_for_us(folder.path()), None);
    }

    #[test]
    fn a_successor_holds_nothing_for_the_words_of_the_first_start() {
        let words = |words: &str| again(words.split(' ').map(OsString::from));
        assert_eq!(words("mailward run --hold-all-but imap,pop --config x"), ["mailward", "run", "--config", "x"]);
        assert_eq!(words("mailward run --hold-all-but=imap --new-session"), ["mailward", "run", "--new-session"]);
        assert_eq!(words("mailward run"), ["mailward", "run"]);
    }

    #[test]
    fn no_name_is_not_the_same_as_nothing_said() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join(HOLD_ALL_BUT), "").expect("it is written");
        assert_eq!(left_for_us(folder.path()), Some(Vec::new()), "everything is held");
    }
}
