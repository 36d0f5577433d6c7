//! One cgroup (version 2) a service, where this process may make some.
//!
//! The hierarchy is found from /proc/self/mountinfo and our place in it from /proc/self/cgroup: neither is assumed.
//! No controller is enabled, so the rule against processes in inner cgroups (cgroup-v2, "no internal process") does
//! not bite and the agent may stay where it is.

use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use super::birth::Entrance;

/// Where the cgroups of this instance's services are.
#[derive(Debug)]
pub(super) struct Domain {
    base: PathBuf,
}

/// What stays open of a service's cgroup from its first end on: to open it takes longer than all the rest.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Whether something is in it.
    events: Option<OwnedFd>,
    /// Itself.
    folder: Option<OwnedFd>,
}

impl Domain {
    /// Finds our own cgroup and makes a folder for this instance in it; in words why not, where that is impossible.
    pub(super) fn find(instance: &str) -> Result<Self, String> {
        let mountinfo = fs::read_to_string("/proc/self/mountinfo").map_err(|e| format!("/proc/self/mountinfo: {e}"))?;
        let cgroup = fs::read_to_string("/proc/self/cgroup").map_err(|e| format!("/proc/self/cgroup: {e}"))?;
        let own = own_directory(&mountinfo, &cgroup).ok_or("no cgroup v2 hierarchy is mounted where we are in it")?;
        if !delegated(&own) {
            return Err(format!("{} is a systemd unit without Delegate=yes", own.display()));
        }
        // A process moves only between cgroups whose common ancestor its mover may write to.
        rustix::fs::access(own.join("cgroup.procs"), rustix::fs::Access::WRITE_OK)
            .map_err(|e| format!("{}: {e}", own.join("cgroup.procs").display()))?;
        let base = own.join(format!("mailward.{instance}"));
        make(&base)?;
        Ok(Self { base })
    }

    /// The folder of a service.
    pub(super) fn directory(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    /// The way into the service's cgroup, which whoever enters makes where it is missing.
    pub(super) fn entrance(&self, name: &str) -> Result<Entrance, String> {
        let directory = self.directory(name);
        let text = |path: &Path| CString::new(path.as_os_str().as_bytes()).map_err(|e| e.to_string());
        Ok(Entrance { directory: text(&directory)?, procs: text(&directory.join("cgroup.procs"))? })
    }

    /// Whether anything lives in it; a cgroup that is not there holds nothing, and of one that cannot be asked that is not
    /// known. A zombie does not count as living.
    pub(super) fn populated(&self, name: &str) -> bool {
        self.still_populated(name, &mut Kept::default())
    }

    /// The same for one who asks again and again.
    pub(super) fn still_populated(&self, name: &str, Kept { events: kept, .. }: &mut Kept) -> bool {
        // Of a cgroup that was removed a kept file says ENODEV; there may be a new one of the same name.
        if let Some(populated) = kept.as_ref().and_then(says_populated) {
            return populated;
        }
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        match rustix::fs::open(self.events(name), flags, Mode::empty()) {
            Ok(file) => says_populated(kept.insert(file)).unwrap_or(false),
            Err(Errno::NOENT) => false,
            Err(_) => true,
        }
    }

    /// Its folder, to be born in; none where it is not there. One that was removed lets nobody in, although there may be a new
    /// one of the same name: who is refused forgets it.
    pub(super) fn folder<'a>(&self, name: &str, Kept { folder: kept, .. }: &'a mut Kept) -> Option<BorrowedFd<'a>> {
        if kept.is_none() {
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            *kept = rustix::fs::open(self.directory(name), flags, Mode::empty()).ok();
        }
        kept.as_ref().map(AsFd::as_fd)
    }

    /// The file that changes when a cgroup becomes empty.
    pub(super) fn events(&self, name: &str) -> PathBuf {
        self.directory(name).join("cgroup.events")
    }

    /// Everything in it, inner cgroups that a service made for itself included.
    pub(super) fn members(&self, name: &str) -> Vec<i32> {
        let mut found = Vec::new();
        let mut folders = vec![self.directory(name)];
        while let Some(folder) = folders.pop() {
            let procs = fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
            // Zero stands for a process of another pid namespace.
            found.extend(procs.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0));
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            folders.extend(entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        }
        found
    }

    /// Whether a process is in it now.
    pub(super) fn holds(&self, name: &str, pid: i32) -> bool {
        let Some(path) = fs::read_to_string(format!("/proc/{pid}/cgroup")).ok().and_then(|t| unified(&t)) else {
            return false;
        };
        let Some(base) = self.base.file_name() else { return false };
        let ours = Path::new(base).join(name);
        // Our own place in the hierarchy is a prefix of both; what follows the instance's folder is compared.
        path.ancestors().any(|a| a.ends_with(&ours))
    }

    /// KILL to everything in it at once (Linux 5.14); false where the kernel cannot or it is not there.
    pub(super) fn kill(&self, name: &str) -> bool {
        fs::write(self.directory(name).join("cgroup.kill"), "1").is_ok()
    }

    /// Removes an empty cgroup and the ones a service left in it.
    pub(super) fn remove(&self, name: &str) {
        remove(&self.directory(name));
    }

    /// Removes every cgroup of this instance that is empty.
    pub(super) fn leave(&self) {
        remove(&self.base);
    }
}

/// What a cgroup.events says; none where the cgroup is gone.
fn says_populated(events: &OwnedFd) -> Option<bool> {
    let mut text = [0u8; 64];
    let length = rustix::io::pread(events, &mut text, 0).ok()?;
    Some(text.get(..length)?.split(|b| *b == b'\n').any(|line| line == b"populated 1"))
}

/// The kernel refuses to remove a cgroup in which something lives, which is what is wanted.
fn remove(folder: &Path) {
    if let Ok(entries) = fs::read_dir(folder) {
        entries.flatten().filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).for_each(|e| remove(&e.path()));
    }
    let _ = fs::remove_dir(folder);
}

fn make(folder: &Path) -> Result<(), String> {
    match fs::create_dir(folder) {
        Ok(()) => Ok(()),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(format!("{}: {e}", folder.display())),
    }
}

/// The path of the `0::` line of a /proc/PID/cgroup (cgroups(7)).
fn unified(cgroup: &str) -> Option<PathBuf> {
    cgroup.lines().find_map(|line| line.strip_prefix("0::")).map(PathBuf::from)
}

/// Our own cgroup as a folder: the mount point of the v2 hierarchy and our path in it, less what the mount leaves out.
pub(super) fn own_directory(mountinfo: &str, cgroup: &str) -> Option<PathBuf> {
    let path = unified(cgroup)?;
    mountinfo.lines().find_map(|line| {
        let (place, kind) = line.split_once(" - ")?;
        (kind.split(' ').next()? == "cgroup2").then_some(())?;
        let mut fields = place.split(' ').skip(3);
        let (root, mount) = (unescape(fields.next()?), unescape(fields.next()?));
        let below = path.strip_prefix(&root).ok()?;
        Some(Path::new(&mount).join(below))
    })
}

/// mountinfo writes space, tab, newline and backslash as three octal digits (`proc_pid_mountinfo(5)`).
fn unescape(field: &str) -> String {
    field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// systemd owns the cgroups of its units and says by an attribute which ones it gives away (systemd.resource-control).
fn delegated(own: &Path) -> bool {
    let unit = own
        .extension()
        .is_some_and(|kind| ["service", "scope", "slice"].iter().any(|k| kind.as_bytes() == k.as_bytes()));
    !unit
        || ["trusted.delegate", "user.delegate"].iter().any(|attribute| {
            let mut value = [0u8; 4];
            rustix::fs::getxattr(own, *attribute, &mut value).is_ok_and(|n| value.get(..n) == Some(b"1"))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hierarchy_is_found_wherever_it_is_mounted() {
        let mounts = "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
                      41 31 0:38 / /sys/fs/cgroup/unified rw shared:1 - cgroup2 cgroup2 rw\n";
        let own = own_directory(mounts, "4:memory:/x\n0::/system.slice/mailward.service\n");
        assert_eq!(own, Some(PathBuf::from("/sys/fs/cgroup/unified/system.slice/mailward.service")));
    }

    #[test]
    fn a_mount_that_shows_only_our_part_is_followed_from_there() {
        let mounts = "41 31 0:38 /kubepods/pod1 /sys/fs/cg\\040roup rw - cgroup2 cgroup2 rw\n";
        assert_eq!(own_directory(mounts, "0::/kubepods/pod1/c\n"), Some(PathBuf::from("/sys/fs/cg roup/c")));
        assert_eq!(own_directory(mounts, "0::/elsewhere\n"), None);
        assert_eq!(own_directory("", "0::/\n"), None);
    }
}
