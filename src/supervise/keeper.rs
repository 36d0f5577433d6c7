//! Who reads the services' output while no agent runs.
//!
//! An agent that ends while its services go on ([R4]) leaves a keeper behind: a process without memory of its own to
//! speak of, which appends what they write to their log files, as it is, so that none of them ever waits on a full
//! pipe. It ends when the next agent calls, or when the last service has closed its output. An agent that is killed
//! leaves none: its services have the room of their pipes until the next one comes.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags};

use super::host::Host;
use super::service::Run;
use super::sys;

/// The FIFO through which a keeper is called off. A service's name has no dot.
fn call(runtime: &Path) -> PathBuf {
    runtime.join("out").join(".keeper")
}

/// Calls a keeper off, if there is one, and waits until it is gone, so that no two read the same output.
pub(super) fn relieve(runtime: &Path) {
    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    // Without a reader this fails, and nobody needs to be called.
    let Ok(fifo) = rustix::fs::open(call(runtime), flags, Mode::empty()) else { return };
    if rustix::io::write(&fifo, b"!").is_ok() {
        let mut closed = [PollFd::new(&fifo, PollFlags::empty())];
        // It waits for nothing but this; the bound is for one that is stopped.
        let _ = poll(&mut closed, Some(&Timespec { tv_sec: 2, tv_nsec: 0 }));
    }
}

impl Host {
    /// Ends this host while services go on, and leaves a keeper for their output where there is any to come.
    ///
    /// The agent calls it when it is told to end and to leave its services running; dropping the host leaves none.
    pub fn leave(mut self) {
        self.end_inquiries();
        if let Err(why) = self.leave_keeper() {
            tracing::warn!("the output of running services is not read until the next start: {why}");
        }
    }

    fn leave_keeper(&mut self) -> std::io::Result<()> {
        let path = call(&self.config.runtime_dir);
        let mut pipes: Vec<(OwnedFd, OwnedFd)> = Vec::new();
        for service in &mut self.services {
            let goes_on = matches!(service.run, Run::Alive(_) | Run::Detached | Run::Remains);
            if service.capture.is_none() || !goes_on {
                continue;
            }
            let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
            let pipe = rustix::fs::open(self.config.output_of(&service.name), flags, Mode::empty())?;
            // Whatever the declared place is: the journal and the agent's standard output are not a keeper's.
            let log = OpenOptions::new()
                .append(true)
                .create(true)
                .mode(0o640)
                .open(self.config.log_dir.join(&*service.name))
                .or_else(|_| OpenOptions::new().write(true).open("/dev/null"))?;
            pipes.push((pipe, log.into()));
        }
        if pipes.is_empty() {
            return Ok(());
        }
        match rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(errno) => return Err(errno.into()),
        }
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let call = rustix::fs::open(&path, flags, Mode::empty())?;
        let null = File::options().read(true).write(true).open("/dev/null")?;
        sys::leave_keeper(call.as_fd(), null.as_fd(), &pipes)
    }
}
