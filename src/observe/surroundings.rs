//! What can be seen of a cluster manager from a process of this host ([R22]); what follows from it is `policy`'s word.
//!
//! Read when somebody asks for something that a manager would refuse, never before: it costs an idle agent nothing.

use std::path::Path;

use crate::policy::cluster::{PACEMAKER, SOLARIS_CLUSTER, SOLARIS_COMMANDS, Surroundings, VARIABLES};

/// More generations than any process has ancestors; ends a chain that changes while it is followed.
const GENERATIONS: usize = 64;

/// Of this process, now.
pub fn surroundings() -> Surroundings {
    let variable = |name: &&str| Some(((*name).to_owned(), std::env::var(name).ok()?));
    Surroundings {
        variables: VARIABLES.iter().filter_map(variable).collect(),
        pacemaker: everyone().find(|pid| name_of(*pid).as_deref() == Some(PACEMAKER)),
        solaris_ancestor: ancestor(&SOLARIS_CLUSTER),
        commands: SOLARIS_COMMANDS
            .iter()
            .filter(|path| Path::new(path).exists())
            .map(|path| (*path).to_owned())
            .collect(),
        node: rustix::system::uname().nodename().to_string_lossy().into_owned(),
    }
}

fn everyone() -> impl Iterator<Item = i32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What a process calls itself: at most 15 bytes, and `pacemakerd` has ten (`proc_pid_comm(5)`).
fn name_of(pid: i32) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim_end().to_owned())
}

fn parent_of(pid: i32) -> Option<i32> {
    // A name, which the kernel cuts at 15 bytes, may end within a character.
    let status = std::fs::read(format!("/proc/{pid}/status")).ok()?;
    String::from_utf8_lossy(&status).lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse().ok())
}

fn ancestor(names: &[&str]) -> Option<(i32, String)> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let mut pid = parent_of(own)?;
    for _ in 0..GENERATIONS {
        let name = name_of(pid).filter(|_| pid > 0)?;
        if names.contains(&name.as_str()) {
            return Some((pid, name));
        }
        pid = parent_of(pid)?;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_of_ancestors_is_followed_to_its_end() {
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let parent = parent_of(own).expect("it has one");
        let name = name_of(parent).expect("it lives while we do");
        assert_eq!(ancestor(&[&name]), Some((parent, name.clone())));
        assert_eq!(ancestor(&["no such program"]), None);
        assert!(everyone().any(|pid| pid == own));
    }
}
