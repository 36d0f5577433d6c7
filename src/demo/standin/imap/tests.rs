use super::super::maildir::Maildir;
use super::*;

struct Fixture {
    _folder: tempfile::TempDir,
    maildir: Maildir,
}

impl Fixture {
    fn new(subjects: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let maildir = Maildir::new(folder.path().join("demo"));
        maildir.create().unwrap();
        for subject in subjects {
            maildir.deliver(message(subject).as_bytes()).unwrap();
        }
        Self { _folder: folder, maildir }
    }

    /// The answers to these commands on one connection.
    fn talk(&self, commands: &[&str]) -> Vec<String> {
        let door = |user: &str, password: &str| {
            Ok((user == "demo" && password == "demo").then(|| Box::new(self.maildir.clone()) as _))
        };
        let mut conversation = Conversation::new(&door);
        let say = |line: &&str| String::from_utf8(conversation.command(line.as_bytes()).bytes).unwrap();
        commands.iter().map(say).collect()
    }
}

fn message(subject: &str) -> String {
    format!("From: a@example.test\r\nSubject: {subject}\r\n\r\nbody of {subject}\r\n")
}

/// The last of the answers to these commands after login and select.
fn after_select(fixture: &Fixture, commands: &[&str]) -> String {
    let mut all = vec!["a LOGIN demo demo", "b SELECT inbox"];
    all.extend_from_slice(commands);
    fixture.talk(&all).pop().unwrap()
}

#[test]
fn nothing_is_shown_before_login_and_a_wrong_password_is_no() {
    let fixture = Fixture::new(&["one"]);
    let commands = ["a SELECT INBOX", "b LOGIN demo wrong", "c FETCH 1 FLAGS", "d CAPABILITY"];
    let answers = fixture.talk(&commands);
    assert!(answers[0].starts_with("a BAD log in first"));
    assert!(answers[1].starts_with("b NO [AUTHENTICATIONFAILED]"));
    assert!(answers[2].starts_with("c BAD"));
    assert_eq!(answers[3], "* CAPABILITY IMAP4rev1\r\nd OK that is all\r\n");
}

#[test]
fn the_third_wrong_password_ends_the_connection() {
    let door = |_: &str, _: &str| Ok(None);
    let mut conversation = Conversation::new(&door);
    let closes: Vec<bool> = (0..3).map(|_| conversation.command(b"a LOGIN x y").close).collect();
    assert_eq!(closes, [false, false, true]);
}

#[test]
fn select_says_how_many_messages_and_which_uids() {
    let answer = after_select(&Fixture::new(&["one", "two"]), &["c EXAMINE \"INBOX\""]);
    assert!(answer.starts_with("* 2 EXISTS\r\n"), "{answer}");
    assert!(answer.contains("[UIDNEXT 3]") && answer.contains("[PERMANENTFLAGS ()]"), "{answer}");
    assert!(answer.ends_with("c OK [READ-ONLY] selected\r\n"), "{answer}");
}

#[test]
fn a_message_is_found_by_subject_sender_text_and_number() {
    let fixture = Fixture::new(&["one", "the Other one"]);
    for (keys, expected) in [
        ("SUBJECT \"oTHER\"", " 2"),
        ("FROM a@example", " 1 2"),
        ("BODY \"body of one\"", " 1"),
        ("TEXT other UNSEEN", " 2"),
        ("NOT 1", " 2"),
        ("UID 2:*", " 2"),
        ("HEADER subject zzz", ""),
        ("CHARSET UTF-8 ALL", " 1 2"),
    ] {
        let answer = after_select(&fixture, &[&format!("c SEARCH {keys}")]);
        assert_eq!(answer, format!("* SEARCH{expected}\r\nc OK searched\r\n"), "{keys}");
    }
}

#[test]
fn fetch_gives_the_text_as_a_literal_and_marks_it_seen_unless_it_only_peeks() {
    let fixture = Fixture::new(&["one"]);
    let text = message("one");
    let answer = after_select(&fixture, &["c FETCH 1 (UID BODY.PEEK[])"]);
    assert_eq!(answer, format!("* 1 FETCH (UID 1 BODY[] {{{}}}\r\n{text})\r\nc OK fetched\r\n", text.len()));
    assert!(fixture.maildir.list().unwrap().entries[0].flags.is_empty());
    let answer = after_select(&fixture, &["c UID FETCH 1 BODY[TEXT]"]);
    assert_eq!(answer, "* 1 FETCH (UID 1 BODY[TEXT] {13}\r\nbody of one\r\n FLAGS (\\Seen))\r\nc OK fetched\r\n");
    assert_eq!(fixture.maildir.list().unwrap().entries[0].flags, Flags::from([Flag::Seen]));
}

#[test]
fn header_fields_are_chosen_by_name_or_left_out_by_name() {
    let fixture = Fixture::new(&["one"]);
    let answer = after_select(&fixture, &["c FETCH 1 BODY.PEEK[HEADER.FIELDS (Subject Cc)]"]);
    assert!(
        answer.starts_with("* 1 FETCH (BODY[HEADER.FIELDS (SUBJECT CC)] {16}\r\nSubject: one\r\n\r\n)"),
        "{answer}"
    );
    let answer = after_select(&fixture, &["c FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (Subject)]"]);
    assert!(answer.contains("{24}\r\nFrom: a@example.test\r\n\r\n)"), "{answer}");
}

#[test]
fn a_deleted_message_goes_at_expunge_and_the_others_move_up() {
    let fixture = Fixture::new(&["one", "two", "three"]);
    let commands = ["c STORE 1,3 +FLAGS (\\Deleted)", "d EXPUNGE"];
    let answers = fixture.talk(&[&["a LOGIN demo demo", "b SELECT inbox"], &commands[..]].concat());
    assert!(answers[2].starts_with("* 1 FETCH (FLAGS (\\Deleted))\r\n* 3 FETCH"), "{}", answers[2]);
    assert_eq!(answers[3], "* 1 EXPUNGE\r\n* 2 EXPUNGE\r\nd OK expunged\r\n");
    assert_eq!(fixture.maildir.list().unwrap().entries.iter().map(|e| e.uid).collect::<Vec<_>>(), [2]);
}

#[test]
fn a_mailbox_opened_for_reading_is_not_changed() {
    let fixture = Fixture::new(&["one"]);
    let commands = ["c EXAMINE inbox", "d STORE 1 +FLAGS (\\Deleted)", "e FETCH 1 BODY[]", "f EXPUNGE", "g CLOSE"];
    let answers = fixture.talk(&[&["a LOGIN demo demo"], &commands[..]].concat());
    assert!(answers[2].starts_with("d NO") && answers[4].starts_with("f NO"), "{answers:?}");
    assert!(fixture.maildir.list().unwrap().entries[0].flags.is_empty());
}

#[test]
fn noop_tells_what_is_gone_and_what_is_new() {
    let fixture = Fixture::new(&["one", "two"]);
    let door = |_: &str, _: &str| Ok(Some(Box::new(fixture.maildir.clone()) as _));
    let mut conversation = Conversation::new(&door);
    let mut say = |line: &str| String::from_utf8(conversation.command(line.as_bytes()).bytes).unwrap();
    say("a LOGIN demo demo");
    say("b SELECT INBOX");
    assert_eq!(say("c NOOP"), "c OK done\r\n");
    fixture.maildir.expunge(1).unwrap();
    fixture.maildir.deliver(message("three").as_bytes()).unwrap();
    assert!(say("d FETCH 1 BODY[]").starts_with("d NO the message is gone"));
    assert_eq!(say("e NOOP"), "* 1 EXPUNGE\r\n* 2 EXISTS\r\ne OK done\r\n");
}

#[test]
fn whatever_a_client_sends_is_answered() {
    let fixture = Fixture::new(&["one"]);
    for line in
        ["", " ", "* OK", "x", "x UID", "x FETCH 1", "x STORE 1 +FLAGS (\\Nope)", "x FETCH 1 BODY[", "x LOGIN {3}"]
    {
        let answer = after_select(&fixture, &[line]);
        assert!(answer.contains("BAD "), "{line}: {answer}");
    }
    assert!(!fixture.talk(&["\u{fffd}\u{0}"])[0].is_empty());
}
