//! The canary's errands against peers that are slow, full, or mean.

use super::*;

const ADDRESS: &str = "canary@example.org";
const BEFORE: &str =
    "* PREAUTH ready\r\n* CAPABILITY IMAP4rev1 UIDPLUS\r\nmw1 OK done\r\n* 3 EXISTS\r\nmw2 OK [READ-WRITE] done\r\n";

fn script(protocol: Protocol, errand: Errand) -> Script {
    let recipient = Some(ADDRESS.to_owned());
    Script { whole: true, recipient, errand, ..Script::greeting(protocol, HOST) }
}

fn letter() -> Letter {
    Letter::canary(&Mark::new("mail", "7"), ADDRESS, ADDRESS, "Thu, 26 Nov 2026 12:00:00 +0000")
}

/// What was sent, the verdict in words, and whether the message was seen, of a mailbox that says this; it is the same
/// byte by byte.
fn collect(said: &str) -> (String, String, bool) {
    let script = script(Protocol::Imap, Errand::Collect(Mark::new("mail", "7")));
    let ends = [vec![said.as_bytes()], said.as_bytes().chunks(1).collect()].map(|chunks| {
        let mut dialogue = Dialogue::new(script.clone());
        let (mut sent, mut verdict) = (dialogue.advance(Input::Connected).send, None);
        for chunk in chunks {
            let output = dialogue.advance(Input::Bytes(chunk));
            sent.extend(output.send);
            verdict = verdict.or(output.verdict);
        }
        (String::from_utf8(sent).expect("ASCII"), words(verdict.as_ref()), dialogue.has_found())
    });
    assert_eq!(ends[0], ends[1]);
    ends[0].clone()
}

/// What was sent and the verdict in words, of a server that is handed a message and says this.
fn hand_in(protocol: Protocol, said: &str) -> (String, String) {
    let script = script(protocol, Errand::Send(letter()));
    let whole = follow(&script, [Input::Bytes(said.as_bytes())], false);
    assert_eq!(follow(&script, said.as_bytes().chunks(1).map(Input::Bytes), false), whole);
    (String::from_utf8(whole.0).expect("ASCII"), words(whole.1.as_ref()))
}

/// The commands that delete something.
fn deletions(sent: &str) -> Vec<&str> {
    sent.lines().filter(|line| line.contains(" STORE ") || line.contains("EXPUNGE")).collect()
}

#[test]
fn the_message_and_what_earlier_runs_left_are_deleted_by_number() {
    let (sent, verdict, found) = collect(&format!(
        "{BEFORE}* SEARCH 3 17\r\nmw3 OK\r\n* SEARCH 17\r\nmw4 OK\r\nmw5 OK\r\n* 1 EXPUNGE\r\nmw6 OK\r\n"
    ));
    assert_eq!((verdict.as_str(), found), ("Alive", true));
    assert!(sent.contains("mw3 UID SEARCH HEADER X-Mailward-Canary \"/mail/\"\r\n"), "{sent}");
    assert!(sent.contains("mw4 UID SEARCH HEADER X-Mailward-Canary \"/mail/7/\"\r\n"), "{sent}");
    let deleted = ["mw5 UID STORE 17,3,17 +FLAGS.SILENT (\\Deleted)", "mw6 UID EXPUNGE 17,3,17"];
    assert_eq!(deletions(&sent), deleted);
}

#[test]
fn a_message_that_comes_between_the_two_searches_is_deleted_too() {
    let (sent, _, found) = collect(&format!("{BEFORE}* SEARCH 3\r\nmw3 OK\r\n* SEARCH 4\r\nmw4 OK\r\nmw5 OK\r\n"));
    assert!(found);
    assert_eq!(deletions(&sent).last(), Some(&"mw6 UID EXPUNGE 4,3"));
}

#[test]
fn leftovers_alone_are_deleted_and_are_not_the_message() {
    let (sent, verdict, found) =
        collect(&format!("{BEFORE}* SEARCH 3\r\nmw3 OK\r\n* SEARCH\r\nmw4 OK\r\nmw5 OK\r\nmw6 OK\r\n"));
    assert_eq!((verdict.as_str(), found), ("Alive", false));
    assert_eq!(deletions(&sent).last(), Some(&"mw6 UID EXPUNGE 3"));
}

#[test]
fn an_empty_search_deletes_nothing() {
    let (sent, verdict, found) = collect(&format!("{BEFORE}* SEARCH\r\nmw3 OK\r\n"));
    assert_eq!((verdict.as_str(), found), ("Alive", false));
    assert_eq!(deletions(&sent), [""; 0]);
    assert!(sent.ends_with("mw4 LOGOUT\r\n"), "{sent}");
}

#[test]
fn a_mailbox_that_answers_ranges_or_commands_has_no_message_of_ours_deleted() {
    for said in ["1:*", "*", "1,2", "1\u{0}", "-1", "99999999999", "1)(", "{3}"] {
        let (sent, ..) = collect(&format!("{BEFORE}* SEARCH {said}\r\nmw3 OK\r\n"));
        assert_eq!(deletions(&sent), [""; 0], "{said:?}");
    }
}

#[test]
fn numbers_that_nobody_asked_for_are_not_deleted() {
    let said = "* PREAUTH ready\r\n* SEARCH 1\r\nmw1 OK\r\n* SEARCH 2\r\nmw2 OK\r\nmw3 OK\r\n";
    let (sent, verdict, found) = collect(said);
    assert_eq!((verdict.as_str(), found), ("Alive", false));
    assert_eq!(deletions(&sent), [""; 0]);
}

#[test]
fn without_uidplus_nothing_is_expunged_because_that_takes_what_others_marked_along() {
    let said = "* PREAUTH ready\r\nmw1 OK\r\nmw2 OK\r\n* SEARCH 4\r\nmw3 OK\r\n* SEARCH 4\r\nmw4 OK\r\nmw5 OK\r\n";
    let (sent, verdict, _) = collect(said);
    assert!(verdict.starts_with("Refused no UIDPLUS"), "{verdict}");
    assert!(!sent.contains("EXPUNGE"), "{sent}");
}

#[test]
fn a_mailbox_that_refuses_or_leaves_half_way_is_judged_where_it_stood() {
    for (said, expected) in [
        ("* PREAUTH ready\r\nmw1 OK\r\nmw2 NO [SERVERBUG] no\r\n", "Refused mw2 NO [SERVERBUG] no"),
        ("* PREAUTH ready\r\nmw1 OK\r\n* BYE overloaded\r\n", "Refused * BYE overloaded"),
        ("* PREAUTH ready\r\nmw1 OK\r\nmw9 OK\r\n", "Violation"),
    ] {
        let (sent, verdict, found) = collect(said);
        assert!(verdict.starts_with(expected) && !found, "{said:?}: {verdict}");
        assert_eq!(deletions(&sent), [""; 0]);
    }
    let script = script(Protocol::Imap, Errand::Collect(Mark::new("mail", "7")));
    let (_, verdict, _) = follow(&script, [Input::Bytes(BEFORE.as_bytes())], true);
    let said = words(verdict.as_ref());
    assert_eq!(said, "Violation closed the connection before its answer to UID SEARCH");
}

#[test]
fn a_mailbox_that_lists_without_end_is_cut_off() {
    let endless = format!("{BEFORE}{}", "* SEARCH 1\r\n".repeat(TOTAL_LIMIT / 12 + 1));
    let (sent, verdict, _) = collect(&endless);
    assert_eq!(verdict, format!("Violation sent more than {TOTAL_LIMIT} bytes without coming to an end"));
    assert_eq!(deletions(&sent), [""; 0]);
}

#[test]
fn a_message_is_handed_in_once_and_only_behind_354() {
    let before = "220 hi\r\n250-a\r\n250 b\r\n250 ok\r\n250 ok\r\n";
    for (rest, expected, times) in [
        ("354 go\r\n250 queued\r\n", "Alive", 1),
        ("250 queued\r\n", "Violation", 0),
        ("354 go\r\n354 go\r\n", "Violation", 1),
        ("354 go\r\n552 5.2.2 full\r\n", "Refused 552 5.2.2 full", 1),
        ("354-go\r\n354 on\r\n451 later\r\n", "Refused 451 later", 1),
        ("554 no\r\n", "Refused 554 no", 0),
    ] {
        for protocol in [Protocol::Smtp, Protocol::Submission] {
            let (sent, verdict) = hand_in(protocol, &format!("{before}{rest}"));
            assert!(verdict.starts_with(expected), "{rest:?}: {verdict}");
            assert_eq!(sent.matches(&format!("{}.\r\n", letter().text)).count(), times, "{rest:?}: {sent}");
        }
    }
}

#[test]
fn a_refused_sender_or_recipient_is_no_hand_in() {
    for rest in ["550 sender\r\n", "250 ok\r\n452 4.2.2 full\r\n"] {
        let (sent, verdict) = hand_in(Protocol::Submission, &format!("220 hi\r\n250 b\r\n{rest}"));
        assert!(verdict.starts_with("Refused") && !sent.contains("DATA"), "{verdict}: {sent}");
    }
}
