//! Two texts line by line.

use super::{Style, Tone};

/// Longest texts that are aligned; the table of the alignment is quadratic.
const ALIGNED: usize = 4_000;

/// The lines of both, those only expected with `-`, those only there with `+`; nothing where they are the same.
pub(crate) fn difference(expected: &str, found: &str, style: Style) -> String {
    if expected == found {
        return String::new();
    }
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), found.lines().collect());
    let mut text = String::new();
    let mut line = |mark: char, tone: Tone, words: &str| {
        text.push_str(&style.paint(tone, &format!("{mark} {words}")));
        text.push('\n');
    };
    if left.len() > ALIGNED || right.len() > ALIGNED {
        for words in left {
            line('-', Tone::Bad, words);
        }
        for words in right {
            line('+', Tone::Good, words);
        }
        return text;
    }
    let common = common_tails(&left, &right);
    let (mut l, mut r) = (0, 0);
    while l < left.len() || r < right.len() {
        if l < left.len() && r < right.len() && left[l] == right[r] {
            line(' ', Tone::Usual, left[l]);
            (l, r) = (l + 1, r + 1);
        } else if r == right.len() || (l < left.len() && common[l + 1][r] >= common[l][r + 1]) {
            line('-', Tone::Bad, left[l]);
            l += 1;
        } else {
            line('+', Tone::Good, right[r]);
            r += 1;
        }
    }
    text
}

/// The length of the longest common subsequence of every two tails.
fn common_tails(left: &[&str], right: &[&str]) -> Vec<Vec<u16>> {
    let mut common = vec![vec![0_u16; right.len() + 1]; left.len() + 1];
    for l in (0..left.len()).rev() {
        for r in (0..right.len()).rev() {
            common[l][r] = if left[l] == right[r] {
                common[l + 1][r + 1].saturating_add(1)
            } else {
                common[l + 1][r].max(common[l][r + 1])
            };
        }
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_marked() {
        assert_eq!(difference("a\nb\n", "a\nb\n", Style::Plain), "");
        assert_eq!(difference("a\nb\nc\n", "a\nx\nc\nd\n", Style::Plain), "  a\n- b\n+ x\n  c\n+ d\n");
        assert_eq!(difference("", "a\n", Style::Plain), "+ a\n");
        assert_eq!(difference("a\n", "", Style::Plain), "- a\n");
    }
}
