//! Everything that needs a real socket, file or process, in one crate: one module a subject.
#![cfg(feature = "agent")]

mod agent;
mod asking;
mod asking_tls;
mod canary;
mod command_line;
mod debian_parts;
mod processes;
mod readiness;
mod real_mail;
mod running;
mod sources;
mod standin;
mod tour;
