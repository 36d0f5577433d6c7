//! What a person probably meant.

/// The candidate nearest to a word, if one is near enough to be a slip of the finger or of memory.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let wanted = plain(word);
    if wanted.len() > 64 {
        return None;
    }
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = plain(candidate);
            let way = distance(&wanted, &other);
            let allowed = (wanted.len().max(other.len()) / 3).max(1);
            let long = wanted.len().min(other.len()) >= 3;
            let inside = long && (other.starts_with(&wanted) || wanted.starts_with(&other) || wanted.ends_with(&other));
            (way <= allowed || inside).then_some((way, candidate))
        })
        .min_by_key(|(way, _)| *way)
        .map(|(_, candidate)| candidate)
}

/// Edits between two words, a swap of neighbours being one (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (row, line) in rows.iter_mut().enumerate() {
        line[0] = row;
    }
    for (column, cell) in rows[0].iter_mut().enumerate() {
        *cell = column;
    }
    for row in 1..=a.len() {
        for column in 1..=b.len() {
            let change = usize::from(a[row - 1] != b[column - 1]);
            let mut best =
                (rows[row - 1][column] + 1).min(rows[row][column - 1] + 1).min(rows[row - 1][column - 1] + change);
            if row > 1 && column > 1 && a[row - 1] == b[column - 2] && a[row - 2] == b[column - 1] {
                best = best.min(rows[row - 2][column - 2] + 1);
            }
            rows[row][column] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_that_was_meant() {
        let names = ["enabled", "command", "dependsOn", "readiness", "listeners"];
        for (word, meant) in
            [("enable", "enabled"), ("dependson", "dependsOn"), ("depends_on", "dependsOn"), ("raediness", "readiness")]
        {
            assert_eq!(nearest(word, names), Some(meant));
        }
    }

    #[test]
    fn a_word_that_is_near_nothing_finds_nothing() {
        assert_eq!(nearest("colour", ["enabled", "command"]), None);
        assert_eq!(nearest("", ["enabled"]), None);
    }
}
