//! What the reading of a disk or a queue is taken to mean.
//!
//! A threshold that was crossed is left only a tenth beyond it: what hovers around a threshold is told once. Nothing is
//! ever restarted for it.

use std::time::Duration;

use crate::desired::{Gauge, Measured, Reserve};
use crate::model::{Level, Name, Reading, Share, Waiting};

/// What holds of one gauge until a reading says otherwise. Holds no number that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Within every threshold.
    Within,
    /// Beyond these.
    Crossed(Vec<Threshold>),
    /// It could not be measured, for this reason.
    Unknown(Name),
}

/// A threshold of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threshold {
    /// Free bytes of a disk.
    Room,
    /// Free inodes of a disk.
    Inodes,
    /// Messages of a queue.
    Messages,
    /// The age of the oldest message.
    Age,
}

impl Standing {
    /// Without its reasons.
    pub fn level(&self) -> Level {
        match self {
            Self::Within => Level::Within,
            Self::Crossed(_) => Level::Crossed,
            Self::Unknown(_) => Level::Unknown,
        }
    }

    fn has(&self, threshold: Threshold) -> bool {
        match self {
            Self::Crossed(thresholds) => thresholds.contains(&threshold),
            Self::Within | Self::Unknown(_) => false,
        }
    }
}

/// What a reading means, where `before` held.
pub fn judge(gauge: &Gauge, before: &Standing, reading: &Reading) -> Standing {
    let mut crossed = Vec::new();
    let mut add = |threshold: Threshold, is_crossed: bool| {
        if is_crossed {
            crossed.push(threshold);
        }
    };
    let mut whole = true;
    match (&gauge.of, reading) {
        (_, Reading::Unknown(why)) => return Standing::Unknown(why.clone()),
        (Measured::Disk { room, inodes, .. }, Reading::Disk { room: bytes, inodes: nodes }) => {
            add(Threshold::Room, room.is_some_and(|least| lacks(*bytes, least, before.has(Threshold::Room))));
            add(Threshold::Inodes, inodes.is_some_and(|least| lacks(*nodes, least, before.has(Threshold::Inodes))));
        }
        (Measured::Queue { messages, age, .. }, Reading::Queue { folders, whole: is_whole }) => {
            whole = *is_whole;
            let number: u64 = folders.iter().map(|folder| folder.messages).sum();
            let most = messages.map(u64::from);
            let margin = |most: u64| if before.has(Threshold::Messages) { most / 10 } else { 0 };
            add(Threshold::Messages, most.is_some_and(|most| number > most - margin(most)));
            add(Threshold::Age, age.is_some_and(|most| oldest(folders).is_some_and(|oldest| oldest > most)));
        }
        (Measured::Disk { .. }, Reading::Queue { .. }) | (Measured::Queue { .. }, Reading::Disk { .. }) => {
            return Standing::Unknown(Name::from("something else was measured"));
        }
    }
    if !crossed.is_empty() {
        Standing::Crossed(crossed)
    } else if whole {
        Standing::Within
    } else {
        Standing::Unknown(Name::from("not everything could be counted in time"))
    }
}

/// Whether less is free than must be; a tenth more must be where it was so before.
fn lacks(share: Share, least: Reserve, before: bool) -> bool {
    let tenths = if before { 11_u128 } else { 10 };
    let (free, total) = (u128::from(share.free), u128::from(share.total));
    match least {
        _ if share.total == 0 => false,
        Reserve::Percent(percent) => free * 100 * 10 < total * u128::from(percent) * tenths,
        Reserve::Amount(amount) => free * 10 < u128::from(amount) * tenths,
    }
}

fn oldest(folders: &[Waiting]) -> Option<Duration> {
    folders.iter().filter_map(|folder| folder.oldest).max()
}

/// What holds, in words that change only when that does.
pub fn sentence(gauge: &Gauge, standing: &Standing) -> String {
    match standing {
        Standing::Within => "is within its thresholds".to_owned(),
        Standing::Unknown(why) => format!("could not be measured: {why}"),
        Standing::Crossed(thresholds) => {
            let words: Vec<String> = thresholds.iter().map(|threshold| beyond(gauge, *threshold)).collect();
            words.join(", ")
        }
    }
}

fn beyond(gauge: &Gauge, threshold: Threshold) -> String {
    let reserve = |least: &Option<Reserve>, amount: fn(u64) -> String| match least {
        Some(Reserve::Percent(percent)) => format!("{percent}%"),
        Some(Reserve::Amount(number)) => amount(*number),
        None => String::new(),
    };
    match (&gauge.of, threshold) {
        (Measured::Disk { room, .. }, Threshold::Room) => format!("less than {} is free", reserve(room, bytes)),
        (Measured::Disk { inodes, .. }, Threshold::Inodes) => {
            format!("less than {} of its inodes are free", reserve(inodes, |number| number.to_string()))
        }
        (Measured::Queue { messages: Some(most), .. }, Threshold::Messages) => {
            format!("more than {most} messages wait")
        }
        (Measured::Queue { age: Some(most), .. }, Threshold::Age) => {
            format!("a message has waited longer than {}", span(*most))
        }
        (Measured::Disk { .. } | Measured::Queue { .. }, _) => String::new(),
    }
}

/// The numbers that were read, for people.
pub fn numbers(reading: &Reading) -> String {
    match reading {
        Reading::Disk { room, inodes } => {
            let nodes = if inodes.total == 0 { String::new() } else { format!(", {} inodes", percent(*inodes)) };
            format!("{} of {} free ({}){nodes}", bytes(room.free), bytes(room.total), percent(*room))
        }
        Reading::Queue { folders, whole } => {
            let least = if *whole { "" } else { "at least " };
            let number: u64 = folders.iter().map(|folder| folder.messages).sum();
            let parts: Vec<String> = folders
                .iter()
                .filter(|folder| folder.messages > 0 && !folder.folder.is_empty())
                .map(|folder| format!("{} {}", folder.folder, folder.messages))
                .collect();
            let parts = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join(", ")) };
            let age = oldest(folders).map(|age| format!(", the oldest for {}", span(age))).unwrap_or_default();
            format!("{least}{number} messages{parts}{age}")
        }
        Reading::Unknown(_) => String::new(),
    }
}

/// One number for a series: free bytes, or messages.
pub fn value(reading: &Reading) -> Option<u64> {
    match reading {
        Reading::Disk { room, .. } => Some(room.free),
        Reading::Queue { folders, .. } => Some(folders.iter().map(|folder| folder.messages).sum()),
        Reading::Unknown(_) => None,
    }
}

fn percent(share: Share) -> String {
    let percent = u128::from(share.free) * 100 / u128::from(share.total.max(1));
    format!("{percent}%")
}

/// `5.2 GiB`
fn bytes(number: u64) -> String {
    let units = [("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let found = units.iter().find(|(_, shift)| number >> shift > 0);
    found.map_or_else(
        || format!("{number} B"),
        |(unit, shift)| {
            let tenths = (u128::from(number) * 10) >> shift;
            format!("{}.{} {unit}", tenths / 10, tenths % 10)
        },
    )
}

/// `3h`, `12m`, `45s`: the largest unit of which there are two.
fn span(time: Duration) -> String {
    match time.as_secs() {
        0 => format!("{}ms", time.as_millis()),
        seconds @ 1..=119 => format!("{seconds}s"),
        seconds @ 120..=7_199 => format!("{}m", seconds / 60),
        seconds @ 7_200..=172_799 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests;
