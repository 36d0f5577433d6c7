//! Debian's Dovecot, Postfix and nginx under the real agent, as a client of theirs sees them. No stand-in is used here,
//! and no test assumes a system's own server: every one has its own folder and its own ports.

mod server;
mod talk;

mod canary;
mod changes;
mod crashes;
mod edits;
mod frozen;
mod hangs;
mod queue;
mod stops;
mod store_group;
mod strangers;
mod survival;
