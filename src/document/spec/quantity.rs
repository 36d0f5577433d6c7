//! Durations, sizes and quantities, as people write them.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::text::Form;
use crate::desired::Reserve;

/// A span of time, written with units: `500ms`, `30s`, `10m`, `1h`, `1m30s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval(pub Duration);

/// A number of bytes, written plain or with a binary unit: `512Ki`, `10Mi`, `1Gi`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Size(pub u64);

/// What must stay free: a share of the whole (`10%`), or an amount as a [`Size`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room(pub Reserve);

/// A Kubernetes quantity (`500m`, `2`, `4Gi`); the operator hands it on as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quantity(pub String);

impl Interval {
    /// What it must look like.
    pub const FORM: Form = Form {
        pattern: "^([0-9]{1,9}h)?([0-9]{1,9}m)?([0-9]{1,9}s)?([0-9]{1,9}ms)?$",
        max: 40,
        words: "a duration with its unit, such as `500ms`, `30s`, `10m` or `1m30s`",
        holds: |text| parse_interval(text).is_some() || text.is_empty(),
    };

    /// Fields that may be no time at all: to kill at once, and never to warn.
    pub(in crate::document) const MAY_BE_NOTHING: [&str; 2] = ["stopTimeout", "certificateWarning"];

    /// Whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}

impl Size {
    /// What it must look like.
    pub const FORM: Form = Form {
        pattern: "^[0-9]{1,15}(Ki|Mi|Gi|Ti)?$",
        max: 20,
        words: "a size such as `512Ki`, `10Mi`, `1Gi` or a number of bytes",
        holds: |text| parse_size(text).is_some(),
    };
}

impl Room {
    /// What it must look like.
    pub const FORM: Form = Form {
        pattern: "^([0-9]{1,15}(Ki|Mi|Gi|Ti)?|[1-9][0-9]?%)$",
        max: 20,
        words: "a share such as `10%`, a size such as `5Gi` or a number",
        holds: |text| parse_room(text).is_some(),
    };
}

impl Quantity {
    /// What it must look like.
    pub const FORM: Form = Form {
        pattern: "^[0-9]{1,15}(\\.[0-9]{1,9})?(m|k|M|G|T|P|Ki|Mi|Gi|Ti|Pi)?$",
        max: 32,
        words: "a quantity such as `500m`, `2` or `4Gi`",
        holds: is_quantity,
    };
}

/// `1m30s`: units from large to small, each at most once.
fn parse_interval(text: &str) -> Option<Duration> {
    let mut rest = text;
    let mut total = Duration::ZERO;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        if digits == 0 || digits > 9 {
            return None;
        }
        let number: u64 = rest[..digits].parse().ok()?;
        let unit_length = rest[digits..].find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len() - digits);
        let milliseconds = match &rest[digits..digits + unit_length] {
            "h" => 3_600_000,
            "m" => 60_000,
            "s" => 1_000,
            "ms" => 1,
            _ => return None,
        };
        if milliseconds >= smallest {
            return None;
        }
        smallest = milliseconds;
        total += Duration::from_millis(number * milliseconds);
        rest = &rest[digits + unit_length..];
    }
    (smallest < u64::MAX).then_some(total)
}

fn parse_size(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    if digits == 0 || digits > 15 {
        return None;
    }
    let shift = match &text[digits..] {
        "" => 0,
        "Ki" => 10,
        "Mi" => 20,
        "Gi" => 30,
        "Ti" => 40,
        _ => return None,
    };
    // Fifteen digits of Ti overflow 64 bits; such a size is as good as none.
    text[..digits].parse::<u64>().ok().map(|number| number.saturating_mul(1 << shift))
}

fn parse_room(text: &str) -> Option<Reserve> {
    let Some(percent) = text.strip_suffix('%') else { return parse_size(text).map(Reserve::Amount) };
    let digits = percent.bytes().all(|byte| byte.is_ascii_digit()) && !percent.starts_with('0');
    percent.parse().ok().filter(|percent| digits && (1..=99).contains(percent)).map(Reserve::Percent)
}

fn is_quantity(text: &str) -> bool {
    let digits = |part: &str, max: usize| (1..=max).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number_holds = match number.split_once('.') {
        Some((whole, fraction)) => digits(whole, 15) && digits(fraction, 9),
        None => digits(number, 15),
    };
    number_holds && matches!(unit, "" | "m" | "k" | "M" | "G" | "T" | "P" | "Ki" | "Mi" | "Gi" | "Ti" | "Pi")
}

impl fmt::Display for Interval {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let total = self.0.as_millis();
        if total == 0 {
            return f.write_str("0s");
        }
        for (unit, size, wrap) in [("h", 3_600_000, u128::MAX), ("m", 60_000, 60), ("s", 1_000, 60), ("ms", 1, 1_000)] {
            let number = total / size % wrap;
            if number > 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, shift) in [("Ti", 40), ("Gi", 30), ("Mi", 20), ("Ki", 10)] {
            if self.0 > 0 && self.0.trailing_zeros() >= shift {
                return write!(f, "{}{unit}", self.0 >> shift);
            }
        }
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Room {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reserve::Percent(percent) => write!(f, "{percent}%"),
            Reserve::Amount(amount) => Size(amount).fmt(f),
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Reads a string, or for some types an integer, and asks a parser what it means.
struct Words<T> {
    expected: &'static str,
    parse: fn(&str) -> Option<T>,
    integers: bool,
}

impl<T> Visitor<'_> for Words<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.parse)(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        let read = if self.integers { (self.parse)(&number.to_string()) } else { None };
        read.ok_or_else(|| E::invalid_type(de::Unexpected::Unsigned(number), &self))
    }
}

macro_rules! read_by {
    ($name:ident, integers: $integers:literal, $parse:expr, $schema:tt) => {
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                from.deserialize_any(Words { expected: Self::FORM.words, parse: $parse, integers: $integers })
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

read_by!(Interval, integers: false, |text| parse_interval(text).map(Self), {
    "type": "string", "minLength": 2, "maxLength": 40, "pattern": Interval::FORM.pattern
});
read_by!(Size, integers: true, |text| parse_size(text).map(Self), {
    "anyOf": [{ "type": "integer" }, { "type": "string" }], "x-kubernetes-int-or-string": true,
    "minimum": 0, "maximum": 1_000_000_000_000_000_u64, "maxLength": 20, "pattern": Size::FORM.pattern
});
read_by!(Quantity, integers: true, |text| is_quantity(text).then(|| Self(text.to_owned())), {
    "anyOf": [{ "type": "integer" }, { "type": "string" }], "x-kubernetes-int-or-string": true,
    "minimum": 0, "maximum": 1_000_000_000_000_000_u64, "maxLength": 32, "pattern": Quantity::FORM.pattern
});
read_by!(Room, integers: true, |text| parse_room(text).map(Self), {
    "anyOf": [{ "type": "integer" }, { "type": "string" }], "x-kubernetes-int-or-string": true,
    "minimum": 0, "maximum": 1_000_000_000_000_000_u64, "maxLength": 20, "pattern": Room::FORM.pattern
});
