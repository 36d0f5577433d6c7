//! The command line of a stand-in.

use std::path::PathBuf;
use std::time::Duration;

use super::super::{Address, AddressError};

/// What `mailward stand-in` without arguments prints.
pub const USAGE: &str = "\
usage: mailward stand-in KIND --data DIR [--listen ADDRESS]... [options]
  KIND   imap | pop3 | http     need a ready store in DIR and --listen
         lmtp                   takes mail for the mailboxes of DIR; needs a ready store and --listen
         smtp                   takes mail into the queue of DIR; --wake ADDRESS tells the delivery
         delivery               hands the queue by LMTP to --to ADDRESS; woken at --listen
         store                  the mailboxes; LMTP at --listen; --init DURATION is how long recovery takes
         purge                  removes expunged messages; needs a ready store
         ens                    stay alive
  ADDRESS is IP:PORT or the absolute path of a Unix socket; DURATION is like 700ms or 2s.";

/// Which server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Reads mailboxes by IMAP.
    Imap,
    /// Reads mailboxes by POP3.
    Pop3,
    /// Takes mail by SMTP and submission: the dispatcher.
    Smtp,
    /// Takes mail by LMTP into mailboxes.
    Lmtp,
    /// Shows the messages as a page.
    Http,
    /// Owns the mailboxes.
    Store,
    /// Removes what was expunged.
    Purge,
    /// Stays alive in the event notification service's place.
    Ens,
    /// Delivers the queue: the job controller.
    Delivery,
}

impl Kind {
    /// Every kind, by its word on the command line.
    pub const ALL: [Self; 9] = [
        Self::Imap,
        Self::Pop3,
        Self::Smtp,
        Self::Lmtp,
        Self::Http,
        Self::Store,
        Self::Purge,
        Self::Ens,
        Self::Delivery,
    ];

    /// The word on the command line.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Imap => "imap",
            Self::Pop3 => "pop3",
            Self::Smtp => "smtp",
            Self::Lmtp => "lmtp",
            Self::Http => "http",
            Self::Store => "store",
            Self::Purge => "purge",
            Self::Ens => "ens",
            Self::Delivery => "delivery",
        }
    }
}

/// What a stand-in was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Which server.
    pub kind: Kind,
    /// The folder that all stand-ins of one server share.
    pub data: PathBuf,
    /// Where it listens.
    pub listen: Vec<Address>,
    /// `smtp`: who is told that the queue has something new.
    pub wake: Option<Address>,
    /// `delivery`: where mail goes by LMTP.
    pub to: Option<Address>,
    /// `store`: how long it stays in `init`.
    pub init: Duration,
}

/// The command line is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OptionsError {
    /// No first word.
    #[error("which server?")]
    NoKind,
    /// The first word names none.
    #[error("there is no stand-in `{0}`")]
    Kind(String),
    /// Not one of the options.
    #[error("unknown option `{0}`")]
    Unknown(String),
    /// An option at the end of the line.
    #[error("`{0}` needs a value")]
    NoValue(String),
    /// Nothing to work in.
    #[error("--data is missing")]
    NoData,
    /// Not an address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// Not a length of time.
    #[error("`{0}` is no length of time; write 700ms or 2s")]
    Duration(String),
}

impl Options {
    /// Reads the words after `stand-in`.
    ///
    /// # Errors
    /// The first word that cannot be taken.
    pub fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, OptionsError> {
        let mut words = args.into_iter();
        let word = words.next().ok_or(OptionsError::NoKind)?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.word() == word).ok_or(OptionsError::Kind(word))?;
        let mut data = None;
        let mut options = Self {
            kind,
            data: PathBuf::new(),
            listen: Vec::new(),
            wake: None,
            to: None,
            init: Duration::from_millis(700),
        };
        while let Some(option) = words.next() {
            let mut value = || words.next().ok_or_else(|| OptionsError::NoValue(option.clone()));
            match option.as_str() {
                "--data" => data = Some(PathBuf::from(value()?)),
                "--listen" => options.listen.push(value()?.parse()?),
                "--wake" => options.wake = Some(value()?.parse()?),
                "--to" => options.to = Some(value()?.parse()?),
                "--init" => options.init = duration(&value()?)?,
                _ => return Err(OptionsError::Unknown(option)),
            }
        }
        options.data = data.ok_or(OptionsError::NoData)?;
        Ok(options)
    }
}

fn duration(text: &str) -> Result<Duration, OptionsError> {
    let wrong = || OptionsError::Duration(text.to_owned());
    let (number, unit) = match text.strip_suffix("ms") {
        Some(number) => (number, 1),
        None => (text.strip_suffix('s').ok_or_else(wrong)?, 1000),
    };
    let number: u32 = number.parse().map_err(|_| wrong())?;
    Ok(Duration::from_millis(u64::from(number) * unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, OptionsError> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn every_option_arrives_where_it_belongs() {
        let options = parse("store --data /d --listen /d/lmtp --listen 127.0.0.1:24 --init 2s").unwrap();
        assert_eq!(options.kind, Kind::Store);
        assert_eq!(options.data, PathBuf::from("/d"));
        assert_eq!(options.listen, [Address::Unix("/d/lmtp".into()), Address::Tcp(([127, 0, 0, 1], 24).into())]);
        assert_eq!(options.init, Duration::from_secs(2));
        let options = parse("smtp --data /d --wake /w --to /t").unwrap();
        assert_eq!(options.wake, Some(Address::Unix("/w".into())));
        assert_eq!(options.to, Some(Address::Unix("/t".into())));
        assert_eq!(options.init, Duration::from_millis(700));
    }

    #[test]
    fn a_wrong_word_is_named() {
        assert_eq!(parse(""), Err(OptionsError::NoKind));
        assert_eq!(parse("ldap"), Err(OptionsError::Kind("ldap".into())));
        assert_eq!(parse("imap --port"), Err(OptionsError::Unknown("--port".into())));
        assert_eq!(parse("imap --data"), Err(OptionsError::NoValue("--data".into())));
        assert_eq!(parse("imap"), Err(OptionsError::NoData));
        assert_eq!(parse("store --data /d --init 2h"), Err(OptionsError::Duration("2h".into())));
        assert_eq!(parse("store --data /d --init 9999999999s"), Err(OptionsError::Duration("9999999999s".into())));
    }
}
