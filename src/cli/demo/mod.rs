//! `demo`: a whole mail server to try things on, started and stopped in Oracle's words; and the tour, which plays its
//! story unattended and believes only what it sees.
//!
//! The demo is a client like any other: the agent is a process of its own, ordered over its socket. The agent is told
//! to end with the demo, so that a demo that is killed leaves no service behind; its folder is then removed by the next
//! one. Whatever outlives the agent becomes a child of the demo (`PR_SET_CHILD_SUBREAPER`), so "nothing is left running"
//! is what the kernel says and no search by names. Only a demo killed after somebody killed its agent leaves services.

mod folder;
mod live;
mod screen;
mod stage;
mod table;
mod tour;
mod words;

use clap::{Args, ValueEnum};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::failure::{Failure, OK, SYSTEM};
use super::terminal::{print, say};
use stage::Stage;

/// `demo`.
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// What the services are made of.
    #[arg(long, value_enum, value_name = "PARTS", default_value_t)]
    with: Parts,
    /// Plays the story unattended and says what was seen.
    #[arg(long)]
    tour: bool,
}

/// What the services are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Parts {
    /// Small servers that are part of mailward; nothing needs to be installed.
    #[default]
    StandIns,
    /// Debian's Dovecot, Postfix and nginx; as root.
    Debian,
}

/// What a person at the terminal, or whoever ends the session, says.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn catch() -> Result<Self, Failure> {
        let catch = |kind| signal(kind).map_err(|error| Failure::of(SYSTEM, &error));
        Ok(Self {
            interrupt: catch(SignalKind::interrupt())?,
            terminate: catch(SignalKind::terminate())?,
            hangup: catch(SignalKind::hangup())?,
        })
    }

    /// Waits for one that means: end.
    async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

/// Runs the demo until it is told to end, or the tour to its end.
pub(crate) async fn demo(said: &Demo) -> Result<u8, Failure> {
    let mut signals = Signals::catch()?;
    let mut stage = Stage::set(said.with, said.tour)?;
    let played = tokio::select! {
        played = async {
            if said.tour { tour::play(&mut stage).await } else { try_it(&stage).await }
        } => played,
        // The line that is being written is not finished any more.
        () = signals.next() => print("\n").and(if said.tour {
            Err(Failure::new(tour::NOT_SEEN, "the tour was interrupted"))
        } else {
            Ok(OK)
        }),
    };
    if let Err(failure) = &played
        && !failure.words.is_empty()
    {
        // Before the words of the stop, which may be many.
        say(&format!("mailward: {}", failure.words));
    }
    let ended = stage.end(&mut signals).await;
    match played {
        Ok(code) => ended.map(|()| code),
        Err(failure) => {
            if let Err(ended) = ended {
                say(&format!("mailward: {}", ended.words));
            }
            Err(Failure::new(failure.code, ""))
        }
    }
}

async fn try_it(stage: &Stage) -> Result<u8, Failure> {
    print(&words::opening(stage))?;
    match stage.start(&[]).await? {
        OK => live::show(stage).await,
        // Why has been said, service by service.
        code => Err(Failure::new(code, "")),
    }
}
