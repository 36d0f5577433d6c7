//! What the demo says: what it is about to do, and what to try.

use super::stage::Stage;
use crate::demo::{DOMAIN, PASSWORD, USER};

/// Switches pop off in the demo's document.
const EDIT: &str = "sed '/name: pop/a\\      enabled: false' mailward.yaml";
/// Of the column of commands.
const WIDTH: usize = 32;

/// Before the first line of `start-msg`.
pub(super) fn opening(stage: &Stage) -> String {
    format!("A mail server of Oracle's shape in {}; start-msg:\n\n", stage.root().display())
}

/// What to try in a second terminal; `imap` is the process that is to be killed.
pub(super) fn to_try(stage: &Stage, imap: Option<i32>) -> String {
    let root = stage.root().display();
    let bin = stage.bin();
    let bin = bin.display();
    let socket = stage.client().socket().display();
    let (imap_port, smtp, http) = (stage.ports.imap, stage.ports.smtp, stage.ports.http);
    let pid = imap.map_or_else(|| "PID".to_owned(), |pid| pid.to_string());
    let tries = [
        ("mailward status".to_owned(), "what runs, and why"),
        (format!("kill -9 {pid}"), "its store group restarts; again: give-up"),
        ("mailward why imap".to_owned(), "what was decided, and for which reason"),
        ("start-msg imap".to_owned(), "a person's start always acts"),
        ("stop-msg imap".to_owned(), "down until it is started again"),
        (format!("{EDIT} > new.yaml"), ""),
        ("mailward plan new.yaml".to_owned(), "what that does: pop stops, no more"),
        ("mv new.yaml mailward.yaml".to_owned(), "done: the agent watches the file"),
        ("echo 'oops: [' >> mailward.yaml".to_owned(), "broken: nothing changes; see status"),
        ("sed -i '$d' mailward.yaml".to_owned(), "as it was"),
    ];
    let line = |(command, what): &(String, &str)| match *what {
        "" => format!("  {command}\n"),
        what => format!("  {command:WIDTH$}  # {what}\n"),
    };
    let tries: String = tries.iter().map(line).collect();
    format!(
        "\
To try in a second terminal:
  cd {root}; PATH={bin}:$PATH
  export MAILWARD_SOCKET={socket}
{tries}  python3 -c \"import smtplib; smtplib.SMTP('127.0.0.1', {smtp}).sendmail('you@{DOMAIN}', '{USER}@{DOMAIN}', \
         'Subject: hello\\n\\nIt works.')\"
  python3 -c \"import imaplib; i = imaplib.IMAP4('127.0.0.1', {imap_port}); i.login('{USER}', '{PASSWORD}'); \
         i.select(); print(i.fetch('*', 'BODY[]')[1][0][1].decode())\"
  Web page: http://127.0.0.1:{http}/
Ctrl-C here stops everything in order and removes {root}.
"
    )
}
