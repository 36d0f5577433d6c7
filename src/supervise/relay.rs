//! Signals for a process that stands in for another one: each with whether the other has got it already.

use std::io::{PipeReader, PipeWriter, Read as _, pipe};
use std::os::fd::AsFd as _;

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::sys;

/// What is relayed. A stop from the terminal (TSTP, TTIN, TTOU) is not: it stops both, and the shell takes over.
const SIGNALS: [i32; 9] = [
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGCHLD,
];

/// A signal that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// Its number.
    pub signal: i32,
    /// The kernel sent it: from the terminal, to the whole process group, so a child of this group has it too.
    pub by_kernel: bool,
}

impl Relayed {
    /// Whether it tells of the end of a child.
    pub fn is_of_child(self) -> bool {
        self.signal == libc::SIGCHLD
    }
}

/// The signals of this process from now on, one relay a process.
#[derive(Debug)]
pub struct Relay {
    reader: PipeReader,
    /// Never closed while the handler may write.
    _writer: PipeWriter,
}

impl Relay {
    /// Takes the signals over.
    ///
    /// # Errors
    /// There is no pipe to be had.
    pub fn begin() -> std::io::Result<Self> {
        let (reader, writer) = pipe()?;
        // A handler must not wait: where nobody reads, signals are lost.
        fcntl_setfl(&writer, fcntl_getfl(&writer)? | OFlags::NONBLOCK)?;
        sys::relay_signals(&SIGNALS, writer.as_fd());
        Ok(Self { reader, _writer: writer })
    }

    /// Waits for the next one.
    ///
    /// # Errors
    /// The pipe cannot be read.
    pub fn wait(&mut self) -> std::io::Result<Relayed> {
        let mut bytes = [0; 2];
        self.reader.read_exact(&mut bytes)?;
        let [signal, by_kernel] = bytes;
        Ok(Relayed { signal: i32::from(signal), by_kernel: by_kernel == 1 })
    }
}
