//! The agent as people meet it: the real binary, real services, and nothing of the library in between.

mod actor;
mod clients;
mod cluster;
mod guard;
pub(crate) mod house;

mod command_line;
mod control_socket;
mod edits;
mod failures;
mod gauges;
mod logs;
mod oracle_words;
mod probe_commands;
mod probes;
mod renewal;
mod starts;
mod surroundings;
mod survival;
mod tasks;
