//! The live table: follows the agent until somebody ends the demo.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jiff::tz::TimeZone;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use super::screen::{Screen, crop, rows};
use super::stage::{Stage, is_alone};
use super::table::{Cast, clock, table};
use super::words;
use crate::agent::Told;
use crate::cli::documents;
use crate::cli::failure::{Failure, SYSTEM, chain};
use crate::cli::render::{Style, Tone, progress};
use crate::cli::terminal::{print, style};
use crate::cli::waiting::find;
use crate::control::{ClientError, Events};
use crate::status::Reported;

/// How soon after an event the status is asked: a turn tells several.
const SOON: Duration = Duration::from_millis(30);
/// How often it is asked without an event.
const SECOND: Duration = Duration::from_secs(1);
/// How many of the last events are shown.
const LATEST: usize = 6;

/// Shows the table until it is dropped, or the standard output is closed.
pub(super) async fn show(stage: &Stage) -> Result<u8, Failure> {
    let catch = |kind| signal(kind).map_err(|error| Failure::of(SYSTEM, &error));
    let (mut resized, mut child) = (catch(SignalKind::window_change())?, catch(SignalKind::child())?);
    let mut view = View::new(stage);
    let mut events: Option<Events> = None;
    let mut ask_at = Instant::now();
    view.begin()?;
    loop {
        tokio::select! {
            biased;
            _ = resized.recv() => {
                view.screen.clear()?;
                view.begin()?;
                ask_at = Instant::now();
            }
            // An agent that was killed leaves its services to us, and their end is ours to take note of.
            _ = child.recv() => drop(is_alone()),
            told = next(&mut events) => {
                match told {
                    Ok(Some(told)) => view.happened(told),
                    // The agent has ended; the next one is followed when it answers.
                    Ok(None) | Err(_) => events = None,
                }
                ask_at = ask_at.min(Instant::now() + SOON);
            }
            () = sleep_until(ask_at) => {
                if events.is_none() {
                    events = stage.client().events().await.ok();
                }
                view.asked(stage.client().status().await)?;
                ask_at = Instant::now() + SECOND;
            }
        }
    }
}

/// Never comes while nobody is followed.
async fn next(events: &mut Option<Events>) -> Result<Option<Told>, ClientError> {
    match events {
        Some(events) => events.next().await,
        None => std::future::pending().await,
    }
}

struct View<'a> {
    stage: &'a Stage,
    screen: Screen,
    style: Style,
    zone: TimeZone,
    cast: Cast,
    /// Of the document that the cast is of.
    generation: Option<i64>,
    seen: BTreeSet<String>,
    latest: VecDeque<String>,
    reported: Option<Reported>,
    /// The words to try are above the block and not in it.
    words_above: bool,
}

impl<'a> View<'a> {
    fn new(stage: &'a Stage) -> Self {
        Self {
            stage,
            screen: Screen::new(),
            style: style(),
            zone: TimeZone::system(),
            cast: Cast::default(),
            generation: None,
            seen: BTreeSet::new(),
            latest: VecDeque::new(),
            reported: None,
            words_above: false,
        }
    }

    /// On a terminal that is too low for everything, the words to try are written once, above the table.
    fn begin(&mut self) -> Result<(), Failure> {
        let size = Screen::size();
        // Heading, table and latest events, with room for a few services more.
        let needed = 20 + LATEST + rows(&words::to_try(self.stage, None), size.columns);
        self.words_above = self.screen.is_live() && needed > size.rows;
        print("\n")?;
        if self.words_above { print(&format!("{}\n", self.words())) } else { Ok(()) }
    }

    fn words(&self) -> String {
        let imap = self.reported.as_ref().and_then(|reported| find(reported, "imap")).and_then(|imap| imap.pid);
        words::to_try(self.stage, imap)
    }

    fn happened(&mut self, told: Told) {
        if self.latest.len() == LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(format!("{} {}", clock(&told.time, &self.zone), progress(&told)));
    }

    fn asked(&mut self, answer: Result<Reported, ClientError>) -> Result<(), Failure> {
        match answer {
            Ok(reported) => {
                let generation = Some(reported.status.observed_generation);
                if self.generation != generation
                    && let Ok(bytes) = documents::bytes(&self.stage.file())
                    && let Ok(desired) = documents::desired(&self.stage.file(), &bytes)
                {
                    self.cast = Cast::of(&desired, self.stage.program());
                    self.generation = generation;
                }
                // Elsewhere than on a terminal every table stays; only what is lasting is worth one.
                let lasting = reported.status.instances.iter().flat_map(|instance| &instance.services);
                let is_lasting = lasting.into_iter().all(|service| service.settled);
                self.reported = Some(reported);
                if self.screen.is_live() || is_lasting { self.show(None) } else { Ok(()) }
            }
            Err(error) => self.show(Some(&chain(&error))),
        }
    }

    fn show(&mut self, complaint: Option<&str>) -> Result<(), Failure> {
        let mut block =
            complaint.map_or_else(String::new, |words| format!("{}\n\n", self.style.paint(Tone::Bad, words)));
        if let Some(reported) = &self.reported {
            block.push_str(&table(reported, &self.cast, &mut self.seen, &self.zone, self.style));
        }
        if !self.screen.is_live() {
            let is_first = self.screen.is_new();
            self.screen.show(&block)?;
            return if is_first { print(&format!("{}\n", self.words())) } else { Ok(()) };
        }
        if !self.latest.is_empty() {
            block.push('\n');
        }
        for line in &self.latest {
            block.push_str(&self.style.paint(Tone::Faint, line));
            block.push('\n');
        }
        let mut block = crop(&block, Screen::size().columns);
        if !self.words_above {
            block.push('\n');
            block.push_str(&self.words());
        }
        self.screen.show(&block)
    }
}
