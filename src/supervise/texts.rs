//! The readers of what the kernel and services write about processes, as functions of text: for the fuzz targets, which
//! write what no kernel would. Nothing else calls them by this door.

use std::net::SocketAddrV4;
use std::path::PathBuf;

use super::{bystander, cgroup, footprint, place, proc};
use crate::model::Incarnation;

/// A pid file: the process, and whether it recovers.
pub fn pid_file(text: &str) -> Option<(i32, bool)> {
    place::parse_pid_file(text).map(|file| (file.pid, file.recovering))
}

/// `/proc/PID/stat`: state, parent and start time in ticks.
pub fn stat(text: &[u8]) -> Option<(u8, i32, u64)> {
    proc::parse_stat(text).map(|stat| (stat.state, stat.parent, stat.started))
}

/// `/proc/PID/stat`: whether its program is not in place at this moment.
pub fn has_no_code(text: &[u8]) -> bool {
    proc::has_no_code(text)
}

/// One variable of `/proc/PID/environ`: instance, service and life, where it is our marker.
pub fn marker(entry: &[u8]) -> Option<(String, String, Incarnation)> {
    match proc::parse_marker(entry)? {
        proc::Marker::Of(instance, name, life) => Some((instance, name, life)),
        proc::Marker::None | proc::Marker::NotNow => None,
    }
}

/// `/proc/PID/status`: the effective user.
pub fn user(status: &[u8]) -> Option<u32> {
    bystander::effective_user(status)
}

/// `/proc/net/tcp` and `tcp6`: how many sockets listen.
pub fn listening(text: &str) -> usize {
    place::parse_tcp(text).len()
}

/// `/proc/net/tcp`: inode and user of the other end of a connection.
pub fn other_end(table: &str, peer: SocketAddrV4, own: SocketAddrV4) -> Option<(u64, u32)> {
    bystander::find_other_end(table, peer, own)
}

/// `/proc/net/unix`: the paths that accept connections.
pub fn accepting(text: &str) -> Vec<String> {
    place::parse_unix(text).into_iter().map(|(path, _)| path).collect()
}

/// `/proc/self/mountinfo` and `/proc/self/cgroup`: the folder of the own cgroup.
pub fn own_cgroup(mountinfo: &str, cgroup: &str) -> Option<PathBuf> {
    cgroup::own_directory(mountinfo, cgroup)
}

/// `/proc/self/smaps`: what nobody has written to of a program, as addresses.
pub fn clean_ranges(smaps: &str, program: &str) -> Vec<(usize, usize)> {
    footprint::clean_ranges(smaps, program)
}
