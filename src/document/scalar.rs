//! What a scalar without quotes is read as, and where two versions of YAML disagree about it.
//!
//! We read the core schema of YAML 1.2 (10.3.2). kubectl reads YAML 1.1 through Go's yaml.v2, which also differs from
//! the letter of 1.1. Where the two versions differ the value is refused, so that one text means one thing everywhere.

/// A plain scalar in the core schema.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Plain {
    /// Nothing, `~` or `null`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number that fits 64 bits.
    Integer(i64),
    /// Any other number; nothing in the document takes one.
    Number,
    /// Text.
    Text,
}

/// A scalar that YAML 1.1 and 1.2 read differently.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Trap {
    /// What YAML 1.1 makes of it.
    pub(super) old: String,
    /// What YAML 1.2 makes of it.
    pub(super) new: String,
    /// What kubectl would have stored.
    pub(super) kubectl: String,
    /// What is probably meant, for a field that takes text and for one that does not.
    pub(super) meant: Option<String>,
}

/// What a plain scalar is in YAML 1.2.
pub(super) fn read(text: &str) -> Plain {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Plain::Null,
        "true" | "True" | "TRUE" => return Plain::Bool(true),
        "false" | "False" | "FALSE" => return Plain::Bool(false),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan" | ".NaN"
        | ".NAN" => return Plain::Number,
        _ => {}
    }
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits(unsigned, 10) {
        return text.parse().map_or(Plain::Number, Plain::Integer);
    }
    for (prefix, base) in [("0x", 16), ("0o", 8)] {
        if let Some(number) = text.strip_prefix(prefix).filter(|number| digits(number, base)) {
            return i64::from_str_radix(number, base).map_or(Plain::Number, Plain::Integer);
        }
    }
    if is_fraction(unsigned) { Plain::Number } else { Plain::Text }
}

fn digits(text: &str, base: u32) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_digit(base))
}

/// `( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?`
fn is_fraction(text: &str) -> bool {
    let (number, exponent) = text.split_once(['e', 'E']).map_or((text, None), |(number, power)| (number, Some(power)));
    let exponent_holds = exponent.is_none_or(|power| digits(power.strip_prefix(['+', '-']).unwrap_or(power), 10));
    let number_holds = match number.split_once('.') {
        Some((whole, fraction)) => {
            (whole.is_empty() || digits(whole, 10))
                && (fraction.is_empty() || digits(fraction, 10))
                && !(whole.is_empty() && fraction.is_empty())
        }
        None => digits(number, 10),
    };
    exponent_holds && number_holds
}

/// Whether the versions disagree about a plain scalar. Moments are exempt: 1.1 calls them timestamps, but kubectl
/// stores the same text.
pub(super) fn trap(text: &str) -> Option<Trap> {
    let switch = |value: bool| {
        Some(Trap {
            old: value.to_string(),
            new: format!("the text \"{text}\""),
            kubectl: value.to_string(),
            meant: Some(value.to_string()),
        })
    };
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => return switch(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => return switch(false),
        "=" => {
            return Some(Trap {
                old: "a default value".to_owned(),
                new: "the text \"=\"".to_owned(),
                kubectl: "the text \"=\"".to_owned(),
                meant: None,
            });
        }
        _ => {}
    }
    let sign = if text.starts_with('-') { "-" } else { "" };
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    octal(text, sign, unsigned)
        .or_else(|| sexagesimal(text, sign, unsigned))
        .or_else(|| underscored(text, sign, unsigned))
        .or_else(|| exponent_without_point(text, unsigned))
}

/// `0143` is 99 in 1.1 and 143 in 1.2; `0o143` is text in 1.1 and 99 in 1.2; `0b11` is 3 in 1.1 and text in 1.2.
fn octal(text: &str, sign: &str, unsigned: &str) -> Option<Trap> {
    if unsigned.len() > 1 && unsigned.starts_with('0') && digits(unsigned, 10) {
        let decimal = unsigned.trim_start_matches('0');
        let decimal = if decimal.is_empty() { "0" } else { decimal };
        let old = i64::from_str_radix(unsigned, 8).map(|number| format!("{sign}{number}"));
        // Digits that octal has not: 1.1 and Go fall back to a fraction, with the decimal value.
        let old = old.unwrap_or_else(|_| format!("{sign}{decimal}"));
        return Some(Trap {
            kubectl: old.clone(),
            old,
            new: format!("{sign}{decimal}"),
            meant: Some(format!("{sign}{decimal}")),
        });
    }
    if let Some(number) = unsigned.strip_prefix("0o").filter(|number| digits(number, 8)) {
        let value = i64::from_str_radix(number, 8).map_or_else(|_| "a number".to_owned(), |n| format!("{sign}{n}"));
        return Some(Trap {
            old: format!("the text \"{text}\""),
            new: if sign.is_empty() { value.clone() } else { format!("the text \"{text}\"") },
            kubectl: value.clone(),
            meant: Some(value),
        });
    }
    let number = unsigned.strip_prefix("0b").filter(|number| digits(number, 2))?;
    let value = i64::from_str_radix(number, 2).map_or_else(|_| "a number".to_owned(), |n| format!("{sign}{n}"));
    Some(Trap { old: value.clone(), new: format!("the text \"{text}\""), kubectl: value.clone(), meant: Some(value) })
}

/// `1:30` is 90 in 1.1 (base 60) and text in 1.2; Go reads text.
fn sexagesimal(text: &str, sign: &str, unsigned: &str) -> Option<Trap> {
    let whole = unsigned.split('.').next().unwrap_or(unsigned);
    let mut parts = whole.split(':');
    let first = parts.next().filter(|first| digits(first, 10))?;
    let mut total: u64 = first.parse().ok()?;
    let mut any = false;
    for part in parts {
        let number: u64 = part.parse().ok().filter(|number| *number < 60 && part.len() <= 2 && digits(part, 10))?;
        total = total.checked_mul(60)?.checked_add(number)?;
        any = true;
    }
    any.then(|| Trap {
        old: format!("{sign}{total} (base 60)"),
        new: format!("the text \"{text}\""),
        kubectl: format!("the text \"{text}\""),
        meant: None,
    })
}

/// `1_000` is 1000 in 1.1 and text in 1.2.
fn underscored(text: &str, sign: &str, unsigned: &str) -> Option<Trap> {
    let number = unsigned.replace('_', "");
    let is_number =
        digits(&number, 10) || is_fraction(&number) || number.strip_prefix("0x").is_some_and(|n| digits(n, 16));
    (unsigned.contains('_') && is_number).then(|| Trap {
        old: format!("{sign}{number}"),
        new: format!("the text \"{text}\""),
        kubectl: format!("{sign}{number}"),
        meant: Some(format!("{sign}{number}")),
    })
}

/// `1e3` is text in 1.1, which wants a point, and a number in 1.2.
fn exponent_without_point(text: &str, unsigned: &str) -> Option<Trap> {
    let exponent = unsigned.contains(['e', 'E']) && !unsigned.contains('.') && is_fraction(unsigned);
    exponent.then(|| Trap {
        old: format!("the text \"{text}\""),
        new: format!("the number {text}"),
        kubectl: format!("the number {text}"),
        meant: None,
    })
}
