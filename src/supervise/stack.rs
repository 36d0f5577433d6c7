//! What the kernel tells of a process that hangs: where each of its threads waits (proc(5)).

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::model::Identity;

/// Threads that are looked at.
const THREADS: usize = 32;

/// State, wait channel and, where it may be read, the kernel stack of a process and its threads; words where it is gone.
pub fn of_process(identity: Identity) -> String {
    let folder = format!("/proc/{}", identity.pid);
    let folder = Path::new(&folder);
    if !super::proc::lives(identity) {
        return format!("process {} is gone\n", identity.pid);
    }
    let mut text = format!("process {}\n{}", identity.pid, read(&folder.join("status")));
    let threads = fs::read_dir(folder.join("task")).into_iter().flatten().filter_map(Result::ok);
    for thread in threads.take(THREADS) {
        let path = thread.path();
        // `wchan` and `stack` are empty, or refused, where the kernel does not show them to us.
        let _ = writeln!(
            text,
            "thread {}\n  wchan {}\n  syscall {}\n{}",
            thread.file_name().to_string_lossy(),
            read(&path.join("wchan")).trim(),
            read(&path.join("syscall")).trim(),
            read(&path.join("stack"))
        );
    }
    text
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| format!("({error})\n"))
}
