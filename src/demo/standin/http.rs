//! A page that lists the messages. It asks for no password: it listens on loopback and shows a demo's mail.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::Arc;

use super::lines::Lines;
use super::maildir::Mailbox as _;
use super::message::header;
use super::notify::notify;
use super::options::Options;
use super::place::Place;
use super::server::{Ending, Server};
use super::term::Term;
use super::{StandInError, say};
use crate::demo::Address;
use crate::demo::net::Stream;

const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
/// Header lines of one request.
const HEAD_MAX: usize = 100;
/// Messages shown of one user, the newest.
const SHOWN_MAX: usize = 100;

pub(super) fn serve(options: &Options, place: &Arc<Place>, term: &mut Term) -> Result<(), StandInError> {
    if options.listen.is_empty() {
        return Err(StandInError::Missing("listen"));
    }
    let store = place.store_ready()?;
    let place = Arc::clone(place);
    let server = Server::start(&options.listen, BUSY, move |stream, ending| session(stream, ending, &place))?;
    let addresses: Vec<String> = options.listen.iter().map(Address::to_string).collect();
    say(&format!("http stand-in: listening on {}, uses store {store}", addresses.join(", ")));
    notify("READY=1");
    term.wait();
    server.stop();
    say("http stand-in: stopped");
    Ok(())
}

fn session(mut stream: Stream, _: &Ending, place: &Place) {
    if let Ok(input) = stream.try_clone() {
        // A client that went away is nobody to be told.
        let _ = converse(&mut stream, &mut Lines::new(input), place);
    }
}

/// One request a connection; the answer says so.
fn converse(stream: &mut Stream, lines: &mut Lines<Stream>, place: &Place) -> io::Result<()> {
    let Some(request) = lines.next()? else { return Ok(()) };
    for _ in 0..HEAD_MAX {
        match lines.next()? {
            Some(line) if !line.is_empty() => {}
            _ => break,
        }
    }
    let answer = answer(&String::from_utf8_lossy(&request), &|| rows(place));
    stream.write_all(answer.as_bytes())
}

/// One line of the page.
#[derive(Clone, Debug, Default)]
struct Row {
    user: String,
    from: String,
    subject: String,
    size: u64,
}

fn rows(place: &Place) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (user, _) in place.users()? {
        let maildir = place.maildir(&user);
        for entry in maildir.list()?.entries.into_iter().rev().take(SHOWN_MAX) {
            // One that was expunged meanwhile is not shown.
            let Ok(message) = maildir.read(entry.uid) else { continue };
            rows.push(Row {
                user: user.clone(),
                from: header(&message, "from").unwrap_or_default(),
                subject: header(&message, "subject").unwrap_or_default(),
                size: entry.size,
            });
        }
    }
    Ok(rows)
}

fn answer(request: &str, rows: &dyn Fn() -> io::Result<Vec<Row>>) -> String {
    let mut words = request.split(' ');
    let (method, target, version) = (words.next(), words.next(), words.next());
    let plain = |status: &str| (status.to_owned(), format!("<!doctype html><title>{status}</title>{status}\n"));
    let (status, body) = match (method, target, version) {
        (Some("GET" | "HEAD"), Some("/"), Some("HTTP/1.0" | "HTTP/1.1")) => match rows() {
            Ok(rows) => ("200 OK".to_owned(), page(&rows)),
            Err(_) => plain("503 Service Unavailable"),
        },
        (Some("GET" | "HEAD"), Some(_), Some("HTTP/1.0" | "HTTP/1.1")) => plain("404 Not Found"),
        (Some(_), Some(_), Some("HTTP/1.0" | "HTTP/1.1")) => plain("405 Method Not Allowed"),
        _ => plain("400 Bad Request"),
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nAllow: GET, HEAD\r\n\
         Cache-Control: no-store\r\nConnection: close\r\n\r\n",
        body.len()
    );
    if method == Some("HEAD") { head } else { head + &body }
}

fn page(rows: &[Row]) -> String {
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{} messages</title>\n\
         <h1>{} messages</h1>\n<table>\n<tr><th>For<th>From<th>Subject<th>Bytes</tr>\n",
        rows.len(),
        rows.len()
    );
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "<tr><td>{}<td>{}<td>{}<td>{}</tr>",
            escaped(&row.user),
            escaped(&row.from),
            escaped(&row.subject),
            row.size
        );
    }
    page.push_str("</table></html>\n");
    page
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(request: &str) -> String {
        let answer = answer(request, &|| Ok(vec![]));
        answer.split(' ').nth(1).unwrap_or_default().to_owned()
    }

    #[test]
    fn the_page_lists_what_is_there_and_a_subject_cannot_break_out_of_it() {
        let row = Row { subject: "<script>&".into(), from: "a@b.c".into(), user: "demo".into(), size: 7 };
        let answer = answer("GET / HTTP/1.1", &|| Ok(vec![row.clone()]));
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"));
        assert!(answer.contains("<td>a@b.c<td>&lt;script&gt;&amp;<td>7"), "{answer}");
    }

    #[test]
    fn head_has_the_length_and_no_body() {
        let answer = answer("HEAD / HTTP/1.0", &|| Ok(vec![]));
        assert!(answer.ends_with("\r\n\r\n") && !answer.contains("Content-Length: 0"), "{answer}");
    }

    #[test]
    fn what_is_not_a_get_of_the_page_is_refused() {
        assert_eq!(status("GET /x HTTP/1.1"), "404");
        assert_eq!(status("POST / HTTP/1.1"), "405");
        assert_eq!(status("GET /"), "400");
        assert_eq!(status(""), "400");
        let broken = answer("GET / HTTP/1.1", &|| Err(io::ErrorKind::NotFound.into()));
        assert!(broken.starts_with("HTTP/1.1 503"), "{broken}");
    }
}
