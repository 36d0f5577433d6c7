//! Readiness: `sd_notify`, pid files and commands.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use mailward::desired::{Launch, Readiness};
use mailward::model::Exit;
use mailward::plan::Seen;

use crate::stage::{role, sh, with_and_without_cgroups};

/// Not a test: the program that speaks. Says each of its datagrams when it is told to go on, and waits to be killed.
#[test]
#[ignore = "a role that tests give to this binary"]
fn speaker() {
    let Ok(path) = std::env::var("NOTIFY_SOCKET") else { return };
    let socket = UnixDatagram::unbound().unwrap();
    let words = std::env::var("WORDS").unwrap_or_default();
    for datagram in words.split(';') {
        let datagram = datagram.replace('|', "\n");
        let sent = match std::env::var("VIA") {
            // From a process that is not the main one.
            Ok(_) => {
                std::process::Command::new("true").status().map(|_| 0).and(socket.send_to(datagram.as_bytes(), &path))
            }
            Err(_) => socket.send_to(datagram.as_bytes(), &path),
        };
        sent.unwrap();
    }
    loop {
        std::thread::park();
    }
}

fn speaks(words: &str) -> Launch {
    Launch {
        command: role("notify::speaker"),
        readiness: Readiness::Notify,
        environment: vec![("WORDS".to_owned(), words.to_owned())],
        ..Launch::default()
    }
}

#[test]
fn ready_by_notify_is_ready_only_when_it_says_so() {
    with_and_without_cgroups(|stage| {
        stage.start("store", &speaks("STATUS=opening;READY=1|STATUS=open|WATCHDOG=1|EXTEND_TIMEOUT_USEC=1000000"), 1);
        stage.ready("store");
        let said = stage.host().said("store").unwrap().clone();
        assert_eq!(said.status.as_deref(), Some("open"));
        assert!(said.watchdog.is_some() && said.patience > said.watchdog && !said.hangs);
    });
}

#[test]
fn r01_a_status_that_begins_with_init_is_recovering_until_it_is_ready() {
    with_and_without_cgroups(|stage| {
        stage.start("store", &speaks("STATUS=init: rolling forward;STATUS=init: still;READY=1"), 1);
        stage.until("store", |s| matches!(s, Seen::Recovering { .. }).then_some(()));
        stage.ready("store");
        assert!(!stage.has("store", |s| matches!(s, Seen::Recovering { .. })));
    });
}

#[test]
fn what_an_earlier_life_said_late_is_not_heard_in_the_next() {
    with_and_without_cgroups(|stage| {
        let launch = speaks("STATUS=x");
        stage.start("store", &launch, 1);
        stage.until_true("it spoke", |s| s.host().said("store").is_some());
        stage.kill("store", &launch, 1);
        stage.empty("store");
        let path = stage.path("run/notify/store");
        UnixDatagram::unbound().unwrap().send_to(b"READY=1", &path).unwrap();
        stage.start("store", &speaks("STATUS=second"), 2);
        stage.until_true("the second life spoke", |s| s.host().said("store").is_some());
        assert!(!stage.has("store", |s| matches!(s, Seen::Ready { .. })));
    });
}

#[test]
fn a_service_of_another_user_reaches_its_socket_and_nobody_else_does() {
    with_and_without_cgroups(|stage| {
        // This binary may lie where that user cannot go.
        let exe = stage.path("speaker");
        // By another process: one that is started meanwhile would hold it open for writing, and so forbid its execution.
        let copied = Command::new("/bin/cp").arg(std::env::current_exe().unwrap()).arg(&exe).status().unwrap();
        assert!(copied.success());
        let mut launch = Launch { user: Some("nobody".to_owned()), ..speaks("READY=1") };
        launch.command[0] = exe.to_str().unwrap().to_owned();
        stage.start("store", &launch, 1);
        stage.ready("store");
        let about = fs::metadata(stage.path("run/notify/store")).unwrap();
        assert_eq!((about.uid(), about.mode() & 0o777), (65534, 0o600));
    });
}

fn daemon(stage: &crate::stage::Stage, script: &str) -> Launch {
    let file = stage.text("daemon.pid");
    Launch {
        readiness: Readiness::PidFile,
        pid_file: Some(file.clone()),
        environment: vec![("PIDFILE".to_owned(), file)],
        ..sh(script)
    }
}

#[test]
fn r07_with_a_pid_file_the_starters_exit_is_none_and_the_main_process_is_the_files() {
    with_and_without_cgroups(|stage| {
        // Own session, cleared environment: what a well-known MTA does.
        let launch = daemon(stage, "env -i setsid sh -c 'echo $$ > '$PIDFILE'; exec sleep 1000' & exit 0");
        let starter = stage.start("daemon", &launch, 1);
        let main = stage.until("daemon", |s| match s {
            Seen::MainIs { identity, .. } => Some(*identity),
            Seen::Exited { .. } => panic!("the starter's exit was taken for the service's"),
            _ => None,
        });
        assert_ne!(main.pid, starter.pid);
        stage.ready("daemon");
        stage.ask("daemon", &launch, 1);
        assert_eq!(stage.exit("daemon"), Exit::Signal(15));
        stage.empty("daemon");
    });
}

#[test]
fn r07_a_daemon_that_forks_twice_and_leaves_no_trace_is_found_by_its_pid_file() {
    with_and_without_cgroups(|stage| {
        let script = "env -i PIDFILE=$PIDFILE setsid sh -c \
                      '(sh -c \"head -c 10000000 /dev/zero > /dev/null; echo \\$\\$ > $PIDFILE; exec sleep 1000\" &) ; exit 0' \
                      & exit 0";
        let launch = daemon(stage, script);
        stage.start("daemon", &launch, 1);
        stage.ready("daemon");
        stage.ask("daemon", &launch, 1);
        assert_eq!(stage.exit("daemon"), Exit::Signal(15));
        stage.empty("daemon");
    });
}

#[test]
fn a_daemon_that_ends_before_it_writes_its_pid_file_has_exited() {
    with_and_without_cgroups(|stage| {
        let launch = daemon(stage, "setsid sh -c 'read x < /dev/null; exit 1' & exit 0");
        stage.start("daemon", &launch, 1);
        stage.exit("daemon");
        stage.empty("daemon");
        stage.start("daemon", &daemon(stage, "exit 4"), 2);
        assert_eq!(stage.exit("daemon"), Exit::Code(4), "a starter that fails is a failure");
    });
}

#[test]
fn r05_a_pid_file_that_names_a_stranger_makes_nobody_ready() {
    with_and_without_cgroups(|stage| {
        let launch = daemon(stage, "echo 1 > $PIDFILE; sleep 1000 & exit 0");
        stage.start("daemon", &launch, 1);
        stage.until_true("the starter is gone", |s| s.path("daemon.pid").exists() && s.host().main("daemon").is_none());
        for _ in 0..20 {
            stage.turn();
        }
        assert!(!stage.has("daemon", |s| matches!(s, Seen::MainIs { .. } | Seen::Ready { .. })));
        stage.kill("daemon", &launch, 1);
        stage.empty("daemon");
    });
}

#[test]
fn r01_a_second_line_init_is_recovering_until_it_says_ready() {
    with_and_without_cgroups(|stage| {
        let launch = daemon(stage, "setsid sh -c 'printf \"$$\\ninit\\n\" > $PIDFILE; exec sleep 1000' & exit 0");
        stage.start("store", &launch, 1);
        stage.until("store", |s| matches!(s, Seen::Recovering { .. }).then_some(()));
        assert!(!stage.has("store", |s| matches!(s, Seen::Ready { .. })));
        let text = fs::read_to_string(stage.path("daemon.pid")).unwrap();
        fs::write(stage.path("daemon.pid"), text.replace("init", "ready")).unwrap();
        stage.ready("store");
        stage.kill("store", &launch, 1);
        stage.empty("store");
        fs::remove_file(stage.path("daemon.pid")).unwrap();
        // The same line beside another kind of readiness.
        let launch = Launch {
            readiness: Readiness::Probe,
            ..daemon(stage, "printf \"$$\\ninit\\n\" > $PIDFILE; exec sleep 1000")
        };
        stage.start("store", &launch, 2);
        stage.until("store", |s| matches!(s, Seen::Recovering { .. }).then_some(()));
    });
}

#[test]
fn ready_by_command_asks_again_until_it_is_told_yes() {
    with_and_without_cgroups(|stage| {
        let file = stage.text("count");
        let question = format!("echo x >> {file}; [ $(wc -l < {file}) -ge 3 ] && [ -n \"$MAINPID\" ]");
        let command = ["/bin/sh", "-c", &question].map(str::to_owned).to_vec();
        let launch = Launch { readiness: Readiness::Command(command), ..sh("exec sleep 1000") };
        stage.start("asked", &launch, 1);
        stage.ready("asked");
        assert_eq!(fs::read_to_string(&file).unwrap(), "x\nx\nx\n");
    });
}

#[test]
fn a_question_that_hangs_ends_with_the_life_it_is_about() {
    with_and_without_cgroups(|stage| {
        let command = ["/bin/sh", "-c", "echo $$ > $OUT; exec sleep 1000"].map(str::to_owned).to_vec();
        let launch = Launch {
            readiness: Readiness::Command(command),
            environment: vec![("OUT".to_owned(), stage.text("asker"))],
            ..sh("exec sleep 1000")
        };
        stage.start("asked", &launch, 1);
        let asker = |s: &crate::stage::Stage| fs::read_to_string(s.path("asker")).ok()?.trim().parse::<i32>().ok();
        stage.until_true("it is asked", |s| asker(s).is_some());
        let pid = asker(stage).unwrap();
        stage.kill("asked", &launch, 1);
        stage.empty("asked");
        stage.until_true("the question is gone", |_| !std::path::Path::new(&format!("/proc/{pid}")).exists());
        fs::remove_file(stage.path("asker")).unwrap();
    });
}
