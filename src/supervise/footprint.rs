//! Gives back what only starting needed.
//!
//! Reading a document and a command line touches most of the program's pages, and the kernel maps them around every
//! fault; running touches few. They are clean pages of the program's own file, so dropping them loses nothing: what is
//! needed again is mapped again, without a read where the page cache still has it. Called by the agent loop once it has
//! settled, and in a pod when there was nothing to write for a while.

use super::sys;

/// Drops the pages of the program that nobody has written to, and what the heap has free.
///
/// A mapping is dropped only where the kernel says that not one of its pages is our own: the loader has written addresses
/// into some of the data before it took the right to write away (RELRO), and those would be lost.
pub fn give_back_code() {
    let Ok(program) = std::fs::read_link("/proc/self/exe") else { return };
    let Ok(maps) = std::fs::read_to_string("/proc/self/smaps") else { return };
    for (from, to) in clean_ranges(&maps, &program.to_string_lossy()) {
        sys::drop_clean_pages(from, to);
    }
    sys::trim_heap();
}

/// The addresses of this file's mappings that nobody may write and in which no page is ours alone; from
/// `/proc/PID/smaps` (proc(5)): a line of addresses, rights and path, then a line for each number.
pub(super) fn clean_ranges(smaps: &str, program: &str) -> Vec<(usize, usize)> {
    let mut candidate = None;
    let mut ranges = Vec::new();
    for line in smaps.lines() {
        if let Some(value) = line.strip_prefix("Anonymous:") {
            ranges.extend(candidate.take().filter(|_| value.trim() == "0 kB"));
        } else if !line.split_ascii_whitespace().next().is_some_and(|word| word.ends_with(':')) {
            candidate = range(line, program);
        }
    }
    ranges
}

fn range(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?;
    if path != program || rights.as_bytes().get(1) != Some(&b'-') {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_wrote_of_the_program_is_given_back() {
        let mapping = |rights: &str, path: &str, own: u32| {
            format!(
                "556c89351000-556c8958d000 {rights} 00091000 fe:00 9977874    {path}\n\
                 Size:  2288 kB\nAnonymous:             {own} kB\nVmFlags: rd ex mr mw me\n"
            )
        };
        let kept = [
            mapping("rw-p", "/usr/bin/mailward", 0),
            mapping("r--p", "/usr/bin/mailward", 96),
            mapping("r-xp", "/usr/bin/other", 0),
            mapping("rw-p", "[heap]", 0),
            "7f00-\n".to_owned(),
        ];
        let clean = (0x556c_8935_1000, 0x556c_8958_d000);
        for other in &kept {
            let all = [mapping("r-xp", "/usr/bin/mailward", 0), other.clone(), mapping("r--p", "/usr/bin/mailward", 0)];
            assert_eq!(clean_ranges(&all.concat(), "/usr/bin/mailward"), [clean, clean], "{other}");
        }
        assert_eq!(clean_ranges("", "/usr/bin/mailward"), []);
    }
}
