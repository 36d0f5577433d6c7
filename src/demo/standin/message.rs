//! As much of RFC 5322 as lists and searches need.

/// Where the body begins: behind the first empty line.
pub(super) fn body_at(message: &[u8]) -> usize {
    let mut at = 0;
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        at += line.len();
        if line == b"\r\n" || line == b"\n" {
            return at;
        }
    }
    message.len()
}

/// Head and body; the head keeps the empty line that ends it.
pub(super) fn parts(message: &[u8]) -> (&[u8], &[u8]) {
    message.split_at(body_at(message))
}

/// The fields of the head, in order, each with its continuation lines, as they stand.
pub(super) fn fields(message: &[u8]) -> Vec<&[u8]> {
    let (head, _) = parts(message);
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let continues = matches!(line.first(), Some(b' ' | b'\t'));
        if !continues && at > start {
            found.push(&head[start..at]);
            start = at;
        }
        at += line.len();
    }
    if at > start {
        found.push(&head[start..at]);
    }
    found.retain(|field| !matches!(*field, b"\r\n" | b"\n"));
    found
}

/// Name of a field, without the colon.
pub(super) fn field_name(field: &[u8]) -> &[u8] {
    let end = field.iter().position(|byte| *byte == b':').unwrap_or(0);
    field[..end].trim_ascii_end()
}

/// The first field of that name, unfolded.
pub(super) fn header(message: &[u8], name: &str) -> Option<String> {
    let field = fields(message).into_iter().find(|field| field_name(field).eq_ignore_ascii_case(name.as_bytes()))?;
    let value = &field[field_name(field).len()..];
    let value = String::from_utf8_lossy(value);
    let words: Vec<&str> = value.trim_start_matches([' ', '\t']).trim_start_matches(':').split_whitespace().collect();
    Some(words.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"Subject: a folded\r\n subject\r\nFrom: x@y.z\r\nTo : w@y.z\r\n\r\nSubject: in the body\r\n";

    #[test]
    fn a_field_is_found_by_name_and_unfolded_and_the_body_is_not_searched() {
        assert_eq!(header(MESSAGE, "SUBJECT").as_deref(), Some("a folded subject"));
        assert_eq!(header(MESSAGE, "to").as_deref(), Some("w@y.z"));
        assert_eq!(header(MESSAGE, "cc"), None);
        assert_eq!(fields(MESSAGE).len(), 3);
    }

    #[test]
    fn head_and_body_part_at_the_first_empty_line() {
        let (head, body) = parts(MESSAGE);
        assert!(head.ends_with(b"\r\n\r\n"));
        assert_eq!(body, b"Subject: in the body\r\n");
        assert_eq!(parts(b"no body").1, b"");
        assert_eq!(fields(b"\r\nonly body"), Vec::<&[u8]>::new());
    }
}
