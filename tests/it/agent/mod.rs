//! The agent as people meet it: the real binary, real services, and nothing of the library in between.

mod actor;
mod house;

mod command_line;
mod edits;
mod failures;
mod logs;
mod starts;
mod surroundings;
mod survival;
