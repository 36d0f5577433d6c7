//! What the demo says: what it is about to do, and what to try.

use super::stage::Stage;
use crate::demo::{DOMAIN, PASSWORD, USER};

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
    format!(
        "\
To try in a second terminal:
  cd {root}; export MAILWARD_SOCKET={socket} PATH={bin}:$PATH
  mailward status             kill -9 {pid}   imap dies: its store group restarts; once more: it gives up
  mailward why imap           mailward history imap
  start-msg imap              a person's start always acts; stop-msg imap: stays down until then
  sed '/name: pop/a\\      enabled: false' mailward.yaml | mailward plan -   what that edit would do; with -i: do it
  echo 'oops: [' >> mailward.yaml; mailward status       a broken edit changes nothing; sed -i '$d' mailward.yaml
  python3 -c \"import smtplib; smtplib.SMTP('127.0.0.1', {smtp}).sendmail('you@{DOMAIN}', '{USER}@{DOMAIN}', 'Subject: hello')\"
  python3 -c \"import imaplib; i = imaplib.IMAP4('127.0.0.1', {imap_port}); i.login('{USER}', '{PASSWORD}'); print(i.select())\"
  browse http://127.0.0.1:{http}/
Ctrl-C here stops everything in order and removes {root}.
"
    )
}
