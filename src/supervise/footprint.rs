//! Gives back what only starting needed.
//!
//! Reading a document and a command line touches most of the program's pages, and the kernel maps them around every
//! fault; running touches few. They are clean pages of the program's own file, so dropping them loses nothing: what is
//! needed again is mapped again, without a read where the page cache still has it. Called once by the agent loop.

use super::sys;

/// Drops the program's code. Its data stays, also what is mapped read-only: the loader has written addresses into some of
/// it before it took the right to write away (RELRO), and those would be lost.
pub fn give_back_code() {
    let Ok(program) = std::fs::read_link("/proc/self/exe") else { return };
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    let program = program.to_string_lossy();
    for (from, to) in maps.lines().filter_map(|line| code_range(line, &program)) {
        sys::drop_clean_pages(from, to);
    }
}

/// The addresses of a mapping of this file's code, which nobody ever writes; a line of `/proc/PID/maps` (proc(5)).
fn code_range(line: &str, program: &str) -> Option<(usize, usize)> {
    let mut fields = line.split_ascii_whitespace();
    let (range, rights) = (fields.next()?, fields.next()?);
    let path = fields.nth(3)?;
    if path != program || rights != "r-xp" {
        return None;
    }
    let (from, to) = range.split_once('-')?;
    Some((usize::from_str_radix(from, 16).ok()?, usize::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_programs_own_code_is_given_back() {
        let code = "556c89351000-556c8958d000 r-xp 00091000 fe:00 9977874                    /usr/bin/mailward";
        assert_eq!(code_range(code, "/usr/bin/mailward"), Some((0x556c_8935_1000, 0x556c_8958_d000)));
        let data = code.replace("r-xp", "rw-p");
        let relocated = code.replace("r-xp", "r--p");
        let heap = "556c8a000000-556c8a021000 rw-p 00000000 00:00 0                          [heap]";
        for line in [&*data, &*relocated, heap, "", "7f00-", "00400000-00401000 r-xp 00000000 fe:00 1 /usr/bin/other"] {
            assert_eq!(code_range(line, "/usr/bin/mailward"), None, "{line}");
        }
    }
}
