//! How an agent is started.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use crate::sources::Resource;

/// What `mailward run` is told on its command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The document; not read where a resource is followed.
    pub config: PathBuf,
    /// The resource that an agent in a pod follows instead.
    pub resource: Option<Resource>,
    /// Where `/livez`, `/readyz` and `/metrics` are served; the first that can be had.
    pub health: Vec<SocketAddr>,
    /// What survives a reboot: holds and the last good document.
    pub state_dir: PathBuf,
    /// What a reboot ends: the journal, the control socket, pipes and notify sockets. Best on a tmpfs.
    pub runtime_dir: PathBuf,
    /// `start-msg NAMES` with no agent running: everything else that does not run is held.
    pub hold_all_but: Option<Vec<String>>,
    /// The words, the name it is called by among them, with which the agent's process goes on as another program.
    pub successor: Vec<OsString>,
}
