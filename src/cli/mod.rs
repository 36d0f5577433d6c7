//! The command line: words to requests, answers to text. It decides nothing about services.
//!
//! [`main`] is all of the binary. By the name it was called (`start-msg`, `stop-msg`, `refresh`, `msprobe`) it takes the words of
//! Oracle's commands. One file a group of commands; [`render`] turns values into text.

mod args;
mod canary;
mod demo;
mod documents;
mod failure;
mod folders;
mod guard;
mod install;
mod names;
mod oracle;
mod orders;
mod probes;
mod questions;
mod reference;
mod render;
mod renewal;
mod running;
mod tasks;
mod terminal;
mod waiting;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser as _;

use args::{Cli, Command, Place};
use failure::{Failure, OK, SYSTEM, USAGE};
use terminal::say;

use crate::engine::Verb;

/// The names of the binary that are commands of their own.
const NAMES: [&str; 4] = ["start-msg", "stop-msg", "refresh", "msprobe"];

/// Does what the command line says.
pub fn main() -> ExitCode {
    let (program, words) = by_name(std::env::args_os().collect());
    let cli = match Cli::try_parse_from(words) {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no errors.
            let code = if error.use_stderr() { USAGE } else { OK };
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    match dispatch(cli) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            if !failure.words.is_empty() {
                say(&format!("{program}: {}", failure.words));
            }
            ExitCode::from(failure.code)
        }
    }
}

/// Called as `start-msg imap` it is `mailward start-msg imap`; gives also the name for messages.
fn by_name(mut words: Vec<OsString>) -> (&'static str, Vec<OsString>) {
    let called = words.first().map(|word| Path::new(word).file_name().unwrap_or_default().to_owned());
    let own = NAMES.iter().find(|name| called.as_deref().is_some_and(|called| called == **name));
    if let Some(name) = own {
        words.insert(1, OsString::from(name));
    }
    let said = words.get(1).and_then(|word| NAMES.iter().find(|name| word == **name));
    (said.or(own).copied().unwrap_or("mailward"), words)
}

fn dispatch(cli: Cli) -> Result<u8, Failure> {
    let Cli { agent, command } = cli;
    let client = || folders::client(&agent, &Place::default());
    match command {
        Command::Run(said) => running::run(&said),
        Command::Validate(said) => documents::validate(&said),
        Command::Simulate(said) => documents::simulate(&said),
        Command::Schema(said) => reference::schema(&said),
        Command::Completions(said) => reference::completions(&said),
        Command::Man(said) => reference::man(&said),
        Command::Install(said) => install::install(&said),
        Command::Generate(said) => reference::generate(&said),
        Command::Demo(said) => wait_for(demo::demo(&said)),
        Command::StandIn(said) => Ok(crate::demo::standin::run(said.words)),
        Command::Plan(said) => wait_for(questions::plan(&client()?, &said)),
        Command::Status(said) => wait_for(questions::status(&client()?, &said)),
        Command::Why(said) => wait_for(questions::why(&client()?, &said)),
        Command::History(said) => wait_for(questions::history(&client()?, &said)),
        Command::Probe(said) => wait_for(probes::probe(&client()?, &said)),
        Command::Canary(said) => wait_for(canary::canary(&client()?, &said)),
        Command::Msprobe(said) => wait_for(probes::probe(&folders::client(&agent, &said.place)?, &said.probe)),
        Command::Start(said) => wait_for(orders::order(&client()?, Verb::Start, &said)),
        Command::Stop(said) => wait_for(orders::order(&client()?, Verb::Stop, &said)),
        Command::Restart(said) => wait_for(orders::order(&client()?, Verb::Restart, &said)),
        Command::Reload(said) => wait_for(orders::order(&client()?, Verb::Reload, &said)),
        Command::Hold(said) => wait_for(orders::order(&client()?, Verb::Hold, &said)),
        Command::Release(said) => wait_for(orders::order(&client()?, Verb::Release, &said)),
        Command::Reset(said) => wait_for(orders::order(&client()?, Verb::Reset, &said)),
        Command::Reexec => wait_for(renewal::reexec(&client()?)),
        Command::Guard(said) => guard::guard(&agent, &said),
        Command::Task(args::Task::Run(said)) => wait_for(tasks::run(&client()?, &said)),
        Command::Sched => wait_for(tasks::sched(client()?)),
        Command::StartMsg(said) => wait_for(oracle::start(&agent, &said)),
        Command::StopMsg(said) => wait_for(oracle::stop(&agent, &said)),
        Command::Refresh(said) => wait_for(oracle::refresh(&agent, &said)),
    }
}

fn wait_for(work: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| Failure::of(SYSTEM, &error))?.block_on(work)
}
