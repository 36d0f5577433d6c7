//! Reads pressure stall information (the kernel's `Documentation/accounting/psi.rst`).
//!
//! A kernel built or booted without it has no such files: then nothing is known and nothing is excused by it.

use std::path::Path;

use crate::model::Pressure;

/// Of the whole host.
pub fn of_host() -> Pressure {
    let folder = Path::new("/proc/pressure");
    read(|resource| std::fs::read_to_string(folder.join(resource)).ok())
}

/// Of a cgroup, by its folder.
pub fn of_cgroup(folder: &Path) -> Pressure {
    read(|resource| std::fs::read_to_string(folder.join(format!("{resource}.pressure"))).ok())
}

fn read(text: impl Fn(&str) -> Option<String>) -> Pressure {
    let share = |resource: &str, line: &str| text(resource).and_then(|text| last_ten_seconds(&text, line)).unwrap_or(0);
    // Every busy host has tasks that wait for a processor; that all of them wait for memory or a disk is another thing.
    Pressure { cpu: share("cpu", "some"), memory: share("memory", "full"), io: share("io", "full") }
}

/// The share of the line that begins with this word: `full avg10=12.34 avg60=...`, in whole percent.
pub fn last_ten_seconds(text: &str, line: &str) -> Option<u8> {
    let line = text.lines().find_map(|whole| whole.strip_prefix(line))?;
    let share = line.split_whitespace().find_map(|field| field.strip_prefix("avg10="))?;
    share.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r08_c40_the_share_of_the_last_ten_seconds_is_read_of_the_right_line() {
        let text = "some avg10=91.07 avg60=2.00 avg300=0.55 total=1\nfull avg10=64.90 avg60=1.00 avg300=0.10 total=2\n";
        assert_eq!((last_ten_seconds(text, "some"), last_ten_seconds(text, "full")), (Some(91), Some(64)));
        for nonsense in ["", "full", "full avg10=", "full avg10=x", "full avg10=300.0"] {
            assert_eq!(last_ten_seconds(nonsense, "full"), None, "{nonsense:?}");
        }
    }

    #[test]
    fn r08_a_host_that_does_not_tell_excuses_nothing() {
        assert_eq!(of_cgroup(Path::new("/nonexistent")), Pressure::default());
    }
}
