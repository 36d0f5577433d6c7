use std::fs;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jiff::tz::TimeZone;

use super::default_log::Level;
use super::lines::{Checked, Dots, Line, Medium, Stamp, Stopped};
use super::rotating::{Notice, RotatingFile, Rotation, Written};
use super::sd_notify::{Notifier, NotifyError, State, message, sign_of_life_every};
use super::{Logs, Record};
use crate::model::Wall;

/// Monday, 4 June 2012, 11:23:54 UTC.
const EXAMPLE: Wall = Wall(1_338_809_034_000);

fn dots(n: u64) -> Dots {
    Dots::after(Duration::from_secs(n))
}

fn starting(name: &str, n: u64, pid: i32) -> Line {
    Line::Starting { name: name.into(), pid, dots: dots(n) }
}

fn stopping(name: &str, pid: i32, n: u64) -> Line {
    Line::Stopping { name: name.into(), pid, dots: dots(n), outcome: Stopped::Done }
}

fn ready(n: u64) -> Line {
    Line::Checked { name: "store".into(), dots: dots(n), outcome: Checked::Ready }
}

fn text(lines: &[Line], medium: Medium) -> String {
    lines.iter().fold(String::new(), |text, line| text + &line.parts(medium).to_string() + "\n")
}

#[test]
fn r01_start_msg_prints_the_transcript_of_the_source_document() {
    let lines = [
        Line::Connecting,
        Line::Launching { pid: 9347, dots: dots(0) },
        starting("store", 4, 9356),
        ready(5),
        starting("purge", 4, 9413),
        starting("imap", 4, 9420),
        starting("pop", 4, 9425),
        starting("http", 4, 9437),
        starting("sched", 3, 9451),
        starting("dispatcher", 4, 9461),
        starting("job_controller", 4, 9466),
    ];
    let golden = "\
Connecting to watcher ...
Launching watcher ... 9347
Starting store server .... 9356
Checking store server status ..... ready
Starting purge server .... 9413
Starting imap server .... 9420
Starting pop server .... 9425
Starting http server .... 9437
Starting sched server ... 9451
Starting dispatcher server .... 9461
Starting job_controller server .... 9466
";
    assert_eq!(text(&lines, Medium::Terminal), golden);
    assert_eq!(text(&lines, Medium::Log), golden.replace("Checking", "checking"));
}

#[test]
fn r01_start_msg_prints_the_mta_only_transcript_of_the_source_document() {
    let lines = [
        Line::Connecting,
        Line::Launching { pid: 4034, dots: dots(0) },
        starting("ens", 1, 4035),
        starting("sched", 0, 4036),
        starting("dispatcher", 4, 4038),
        starting("job_controller", 4, 4042),
    ];
    let golden = "\
Connecting to watcher ...
Launching watcher ... 4034
Starting ens server ... 4035
Starting sched server ... 4036
Starting dispatcher server .... 4038
Starting job_controller server .... 4042
";
    for medium in [Medium::Terminal, Medium::Log] {
        assert_eq!(text(&lines, medium), golden);
    }
}

#[test]
fn r15_the_watcher_log_holds_the_restart_transcript_of_the_source_document() {
    let names = ["store", "imap", "pop", "http"].map(Into::into).to_vec();
    let lines = [
        Line::AgentStarted { pid: 13425, at: Stamp::new(EXAMPLE, &TimeZone::UTC) },
        Line::ExitedAbnormally { service: "imap".into(), process: "imapd".into(), pid: 13428 },
        Line::RestartRequested { names },
        Line::Connecting,
        stopping("http", 13440, 4),
        stopping("pop", 13431, 3),
        stopping("pop", 13434, 3),
        stopping("pop", 13435, 3),
        stopping("pop", 13433, 3),
        Line::NotRunning { name: "imap".into() },
        stopping("store", 13426, 4),
        starting("store", 4, 13457),
        ready(6),
        starting("imap", 5, 13459),
        starting("pop", 7, 13462),
        starting("http", 6, 13471),
    ];
    let golden = "\
watcher process 13425 started at Mon June 4 11:23:54 2012
Watched 'imapd' process 13428 exited abnormally
Received request to restart: store imap pop http
Connecting to watcher ...
Stopping http server 13440 .... done
Stopping pop server 13431 ... done
Stopping pop server 13434 ... done
Stopping pop server 13435 ... done
Stopping pop server 13433 ... done
imap server is not running
Stopping store server 13426 .... done
Starting store server .... 13457
checking store server status ...... ready
Starting imap server ..... 13459
Starting pop server ....... 13462
Starting http server ...... 13471
";
    assert_eq!(text(&lines, Medium::Log), golden);
    assert_eq!(text(&lines, Medium::Terminal), golden.replace("checking", "Checking"));

    let folder = tempfile::tempdir().expect("a folder");
    let mut logs = logs(folder.path());
    for line in &lines {
        assert_eq!(logs.line(EXAMPLE, line, "imap was killed by SIGKILL", &[]), Vec::<Notice>::new());
    }
    assert_eq!(fs::read_to_string(folder.path().join("log/watcher")).expect("read"), golden);
}

#[test]
fn forms_of_our_own_are_in_the_same_style() {
    let said: Vec<(Line, &str)> = vec![
        (
            Line::StartFailed { name: "imap".into(), dots: dots(60), reason: "not ready within 60 s".into() },
            "Starting imap server ............................................................ failed: not ready within 60 s",
        ),
        (Line::AlreadyRunning { name: "imap".into(), pid: 9420 }, "imap server is already running: 9420"),
        (
            Line::Checked { name: "store".into(), dots: dots(0), outcome: Checked::NotReady("it exited".into()) },
            "checking store server status ... not ready: it exited",
        ),
        (
            Line::Stopping { name: "pop".into(), pid: 7, dots: dots(30), outcome: Stopped::Killed },
            "Stopping pop server 7 .............................. killed",
        ),
        (
            Line::Stopping { name: "pop".into(), pid: 7, dots: dots(0), outcome: Stopped::Failed("D state".into()) },
            "Stopping pop server 7 ... failed: D state",
        ),
        (
            Line::GaveUp { name: "imap".into(), failures: 2, window: Duration::from_mins(10) },
            "Giving up on imap server: it failed 2 times within 600 seconds",
        ),
        (
            Line::AgentStopped { pid: 1, at: Stamp::new(EXAMPLE, &TimeZone::UTC) },
            "watcher process 1 stopped at Mon June 4 11:23:54 2012",
        ),
    ];
    for (line, golden) in said {
        assert_eq!(line.to_string(), golden);
    }
}

#[test]
fn a_reason_cannot_forge_a_line_or_move_a_cursor() {
    let reason = "bad\nwatcher process 1 started\r\x1b[2J\u{85}\u{2028}end".into();
    let line = Line::Said { name: "imap".into(), text: reason };
    assert_eq!(line.to_string(), "bad watcher process 1 started  [2J  end");
}

#[test]
fn a_time_beyond_the_calendar_is_written_as_its_end() {
    assert!(super::events::rfc3339(Wall(i64::MAX)).starts_with("9999-12-3"));
    assert_eq!(super::events::rfc3339(Wall(i64::MIN)), "1970-01-01T00:00:00.000Z");
}

fn logs(data_root: &Path) -> Logs {
    Logs::new(data_root, Rotation::default(), "vadar", 13822, TimeZone::fixed(jiff::tz::offset(-7)))
}

#[test]
fn r12_r15_events_and_messages_stand_beside_the_lines_with_time_service_and_reason() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut logs = logs(folder.path());
    let line = starting("imap", 4, 9420);
    logs.line(Wall(EXAMPLE.0 + 7), &line, "store is ready", &[]);
    logs.event(
        EXAMPLE,
        &Record {
            service: None,
            task: None,
            what: "DocumentTaken",
            reason: "the file changed",
            line: None,
            output: &[],
        },
    );
    logs.message(EXAMPLE, Level::Error, "imap failed;\nrestart is off: stop and start all");
    let read = |name: &str| fs::read_to_string(folder.path().join("log").join(name)).expect("read");
    assert_eq!(
        read("events.jsonl"),
        concat!(
            r#"{"time":"2012-06-04T11:23:54.007Z","service":"imap","what":"Started","reason":"store is ready","#,
            r#""line":"Starting imap server .... 9420"}"#,
            "\n",
            r#"{"time":"2012-06-04T11:23:54.000Z","what":"DocumentTaken","reason":"the file changed"}"#,
            "\n"
        )
    );
    assert_eq!(
        read("default"),
        "[04/Jun/2012:04:23:54 -0700] vadar watcher[13822]: General Error: imap failed; restart is off: stop and start all\n"
    );
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("read")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn whole(written: &Written) {
    assert!(matches!(written, Written::Whole), "{written:?}");
}

#[test]
fn r15_a_log_rotates_by_size_keeps_so_many_and_loses_no_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("watcher");
    let mut file = RotatingFile::new(path.clone(), Rotation { size: 30, keep: 2 });
    for n in 0..9 {
        whole(&file.write_line(format!("line {n} xxx").as_bytes()));
    }
    assert_eq!(names(folder.path()), ["watcher", "watcher.1", "watcher.2"]);
    let all = ["watcher.2", "watcher.1", "watcher"].map(|n| fs::read_to_string(folder.path().join(n)).expect("read"));
    assert_eq!(all.concat().lines().collect::<Vec<_>>(), (4..9).map(|n| format!("line {n} xxx")).collect::<Vec<_>>());
    whole(&file.write_line(&[b'x'; 100]));
    assert_eq!(fs::metadata(&path).expect("there").len(), 101, "one line longer than the limit stays whole");
    file.set_rotation(Rotation { size: 30, keep: 0 });
    whole(&file.write_line(b"last"));
    assert_eq!(names(folder.path()), ["watcher"], "what is no longer kept is deleted");
}

#[test]
fn r15_a_log_without_a_limit_never_rotates_and_an_old_one_is_continued() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("watcher");
    for _ in 0..2 {
        let mut file = RotatingFile::new(path.clone(), Rotation { size: 0, keep: 5 });
        for _ in 0..500 {
            whole(&file.write_line(b"a line"));
        }
    }
    assert_eq!(fs::read_to_string(&path).expect("read").lines().count(), 1_000);
    assert_eq!(names(folder.path()), ["watcher"]);
}

#[test]
fn r15_a_moved_log_is_opened_anew_on_request_and_only_its_owner_writes_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, moved) = (folder.path().join("log/watcher"), folder.path().join("moved"));
    let mut file = RotatingFile::new(path.clone(), Rotation::default());
    whole(&file.write_line(b"one"));
    fs::rename(&path, &moved).expect("moved");
    whole(&file.write_line(b"two"));
    file.reopen();
    whole(&file.write_line(b"three"));
    assert_eq!(fs::read_to_string(&moved).expect("read"), "one\ntwo\n");
    assert_eq!(fs::read_to_string(&path).expect("read"), "three\n");
    assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o7777, 0o640);
}

#[test]
fn a_log_is_never_written_through_a_symlink_or_into_a_pipe() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, victim) = (folder.path().join("watcher"), folder.path().join("victim"));
    fs::write(&victim, "untouched").expect("written");
    symlink(&victim, &path).expect("linked");
    let mut file = RotatingFile::new(path.clone(), Rotation::default());
    let lost = file.write_line(b"x");
    assert!(matches!(lost, Written::Lost { first: Some(_) }), "{lost:?}");
    assert_eq!(fs::read_to_string(&victim).expect("read"), "untouched");
    fs::remove_file(&path).expect("deleted");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).expect("a pipe");
    assert!(matches!(file.write_line(b"x"), Written::Lost { first: None }));
}

#[test]
fn a_loss_is_told_once_counted_and_its_end_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let obstacle = folder.path().join("log");
    fs::write(&obstacle, "a file where the folder should be").expect("written");
    let mut file = RotatingFile::new(obstacle.join("watcher"), Rotation::default());
    let told: Vec<bool> =
        (0..5).map(|n| file.write_line(format!("{n}").as_bytes()).notice(file.path()).is_some()).collect();
    assert_eq!(told, [true, false, false, false, false]);
    fs::remove_file(&obstacle).expect("deleted");
    let notice = file.write_line(b"again").notice(file.path()).expect("the end is told");
    let Notice::Over { about, words } = notice else { panic!("{notice:?}") };
    assert!(about.ends_with("watcher: ") && words.contains("5 lines were lost"), "{words}");
    assert!(file.write_line(b"and again").notice(file.path()).is_none());
    let text = fs::read_to_string(obstacle.join("watcher")).expect("read");
    assert_eq!(text, "(5 lines were lost here)\nagain\nand again\n");
}

/// Runs the test after this one with a disk of 16 KiB, in a mount namespace of its own.
#[test]
fn r15_on_a_full_disk_lines_are_dropped_and_counted_and_it_goes_on_when_there_is_room() {
    let folder = tempfile::tempdir().expect("a folder");
    let script =
        r#"mount -t tmpfs -o size=16k tmpfs "$1" && MAILWARD_SMALL_DISK="$1" exec "$2" --exact --ignored "$3""#;
    let output = Command::new("unshare")
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().expect("this test program"))
        .arg("report::tests::on_a_small_disk")
        .output()
        .expect("unshare of util-linux");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

#[test]
#[ignore = "needs a disk of 16 KiB; the test before this one makes it and runs this"]
fn on_a_small_disk() {
    let disk = std::env::var("MAILWARD_SMALL_DISK").expect("a small disk");
    let (ballast, path) = (Path::new(&disk).join("ballast"), Path::new(&disk).join("watcher"));
    fs::write(&ballast, vec![0; 8 * 1024]).expect("written");
    let mut file = RotatingFile::new(path.clone(), Rotation::default());
    let line = [b'x'; 999];
    let mut kept = 0;
    let first = loop {
        match file.write_line(&line) {
            Written::Whole => kept += 1,
            Written::Lost { first } => break first.expect("the first loss has its error"),
            Written::Resumed { .. } => panic!("nothing was lost before"),
        }
    };
    assert_eq!(first.kind(), std::io::ErrorKind::StorageFull);
    for _ in 0..9 {
        assert!(matches!(file.write_line(&line), Written::Lost { first: None }));
    }
    fs::remove_file(&ballast).expect("deleted");
    let resumed = file.write_line(b"last");
    assert!(matches!(resumed, Written::Resumed { lost: 10 }), "{resumed:?}");
    let text = fs::read_to_string(&path).expect("read");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[lines.len() - 2..], ["(10 lines were lost here)", "last"]);
    assert_eq!(lines.iter().filter(|line| line.len() == 999).count(), kept, "a torn line does not run into the next");
    assert!(fs::metadata(&path).expect("there").size() > 0);
}

#[test]
fn systemd_is_told_over_a_path_and_over_an_abstract_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let name = format!("mailward-test-{}", std::process::id());
    let by_name = SocketAddr::from_abstract_name(&name).expect("a name");
    for (socket, value) in [
        (UnixDatagram::bind(&path).expect("bound"), path.to_string_lossy().into_owned()),
        (UnixDatagram::bind_addr(&by_name).expect("bound"), format!("@{name}")),
    ] {
        let notifier = Notifier::new(value.as_bytes()).expect("an address").expect("one is named");
        notifier.tell(&[State::Ready, State::Status("2 of 3\nservices")]).expect("told");
        let mut buffer = [0; 200];
        let n = socket.recv(&mut buffer).expect("received");
        assert_eq!(&buffer[..n], b"READY=1\nSTATUS=2 of 3 services\n");
        notifier.tell(&[State::Reloading]).expect("told");
        let n = socket.recv(&mut buffer).expect("received");
        let said = String::from_utf8_lossy(&buffer[..n]).into_owned();
        let usec =
            said.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").and_then(|rest| rest.trim_end().parse::<u64>().ok());
        assert!(usec.is_some_and(|usec| usec > 0), "{said}");
        drop(socket);
        fs::remove_file(&path).ok();
        assert!(matches!(notifier.tell(&[State::Watchdog]), Err(NotifyError::Send(_))), "nobody is there any more");
    }
}

#[test]
fn a_manager_that_does_not_read_never_makes_the_agent_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let _socket = UnixDatagram::bind(&path).expect("bound");
    let notifier = Notifier::new(path.to_string_lossy().as_bytes()).expect("an address").expect("one is named");
    let refused = (0..100_000).find_map(|_| notifier.tell(&[State::Watchdog]).err());
    assert!(matches!(refused, Some(NotifyError::Send(_))), "{refused:?}");
}

#[test]
fn the_words_to_systemd_are_those_of_its_manual() {
    let now = Duration::from_micros(1_234_567);
    assert_eq!(message(State::Reloading, now), "RELOADING=1\nMONOTONIC_USEC=1234567\n");
    assert_eq!(message(State::Stopping, now), "STOPPING=1\n");
    assert_eq!(message(State::Watchdog, now), "WATCHDOG=1\n");
}

#[test]
fn no_socket_is_no_error_and_a_strange_one_is() {
    assert!(matches!(Notifier::new(b""), Ok(None)));
    assert!(matches!(Notifier::new(b"vsock:2:1234"), Err(NotifyError::Address)));
    assert!(matches!(Notifier::new(b"run/notify"), Err(NotifyError::Address)));
    assert!(matches!(Notifier::new(b"@"), Err(NotifyError::Address)));
    assert!(matches!(Notifier::new(&[b'/'; 300]), Err(NotifyError::Socket(_))));
    assert!(matches!(Notifier::new(b"/a\0b"), Err(NotifyError::Socket(_))));
}

#[test]
fn a_sign_of_life_is_due_at_half_the_limit_and_only_where_it_is_wanted_of_us() {
    let every = |usec: &str, pid: Option<&str>| sign_of_life_every(Some(usec.as_bytes()), pid.map(str::as_bytes), 42);
    assert_eq!(every("30000000", None), Some(Duration::from_secs(15)));
    assert_eq!(every("30000000", Some("42")), Some(Duration::from_secs(15)));
    assert_eq!(every("30000000", Some("43")), None);
    for strange in ["", "0", "-1", "+5", "1.5", "30s", "18446744073709551615", "99999999999999999999"] {
        assert_eq!(every(strange, None), None, "{strange:?}");
    }
    assert_eq!(sign_of_life_every(None, None, 42), None);
}
