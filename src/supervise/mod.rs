//! The single owner of every child process.
//!
//! **Decides nothing.** It performs [`Step`](crate::plan::Step)s with one attempt each and reports what it saw as
//! [`Event`](crate::plan::Event)s; the planner decides, the agent loop carries the two back and forth and is the only
//! caller. It touches processes, cgroups, /proc, the folders `out` and `notify` below the runtime folder, and the log
//! folder; nothing else.
//!
//! **One descriptor.** Everything is behind one nested epoll ([`Host::fd`]), so a service costs a few hundred bytes
//! and no task.
//!
//! **Whose is it?** A process is a service's own when it is in the service's cgroup, or, where there are no cgroups,
//! when it is of its session or carries its marker `MAILWARD_SERVICE=<instance>/<name>/<incarnation>` in its
//! environment and is no older than the life it claims. Nothing else is ever signalled, and each signal goes through a
//! pidfd that was opened before the proof, or to a whole cgroup.
//!
//! **One child ahead.** The successor of a service that died is made while its restart is planned and waits, without a
//! program, for the planner's step (`ahead.rs`).
//!
//! **The agent may go.** Services live on: their output pipe is their own reader (see `capture.rs`), and the next agent
//! adopts them by [`Step::Look`](crate::plan::Step::Look). An agent that ends in order leaves a keeper that reads their
//! output meanwhile ([`Host::leave`]). After one that is killed a service may write 256 KiB (64 KiB where the agent may
//! not enlarge a pipe) before its writes wait; what a service wrote that has itself ended meanwhile is lost with its
//! pipe, and so is what it said on its notify socket.

mod account;
mod ahead;
mod birth;
mod bystander;
mod capture;
mod cgroup;
mod complaints;
mod config;
mod errand;
mod footprint;
mod gate;
mod host;
mod inquiry;
mod keeper;
mod left;
mod life;
mod log;
mod look;
mod notify;
mod order;
mod place;
mod proc;
mod queries;
mod ready;
mod reap;
mod relay;
mod service;
mod spawner;
pub mod stack;
mod stop;
mod succession;
mod sys;
pub mod texts;
mod timer;
mod words;

pub use bystander::{Bystander, holds_socket, ids_of, other_end};
pub use complaints::Relief;
pub use config::{Drained, HostConfig, HostError, Own, Recorded};
pub use footprint::give_back_code;
pub use host::Host;
pub use relay::{Relay, Relayed};
pub use service::Said;
pub use succession::{Told, next_signal, succeed, take_signals};
