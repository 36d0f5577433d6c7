//! Programs that do what programs should not do.

use mailward::desired::{Launch, Readiness};
use mailward::model::Exit;
use mailward::plan::Seen;

use crate::stage::{Stage, sh, with_and_without_cgroups};

#[test]
fn r03_a_program_that_ignores_term_is_ended_by_kill_with_all_its_children() {
    with_and_without_cgroups(|stage| {
        let launch = sh("trap '' TERM; sleep 1000 & sleep 1000 & echo armed; while :; do wait; done");
        stage.start("deaf", &launch, 1);
        stage.until_true("it is armed", |s| s.host().last_lines("deaf") == ["armed"]);
        stage.ask("deaf", &launch, 1);
        // It is still there, and the children that it shields as well.
        stage.kill("deaf", &launch, 1);
        assert_eq!(stage.exit("deaf"), Exit::Signal(9));
        stage.empty("deaf");
    });
}

#[test]
fn r03_a_stopped_program_is_woken_so_that_it_can_end() {
    with_and_without_cgroups(|stage| {
        let launch = sh("kill -STOP $$; exit 0");
        let identity = stage.start("frozen", &launch, 1);
        stage.until_true("it is stopped", |_| {
            std::fs::read_to_string(format!("/proc/{}/stat", identity.pid)).unwrap().contains(") T ")
        });
        stage.ask("frozen", &launch, 1);
        assert_eq!(stage.exit("frozen"), Exit::Signal(15));
    });
}

#[test]
fn r07_a_program_that_exits_zero_has_exited() {
    with_and_without_cgroups(|stage| {
        stage.start("polite", &sh("exit 0"), 1);
        assert_eq!(stage.exit("polite"), Exit::Code(0));
        stage.empty("polite");
    });
}

#[test]
fn a_program_that_dies_in_its_start_window_says_how() {
    with_and_without_cgroups(|stage| {
        let launch = Launch { readiness: Readiness::Notify, ..sh("echo no database; exit 3") };
        stage.start("brief", &launch, 1);
        assert_eq!(stage.exit("brief"), Exit::Code(3));
        assert_eq!(stage.host().last_lines("brief"), ["no database"], "its last words are there with its exit");
        stage.empty("brief");
        assert!(!stage.has("brief", |s| matches!(s, Seen::Ready { .. })));
        stage.start("brief", &sh("kill -SEGV $$"), 2);
        assert_eq!(stage.exit("brief"), Exit::Signal(11));
    });
}

#[test]
fn r03_what_a_dead_main_process_left_behind_is_seen_and_ended() {
    with_and_without_cgroups(|stage| {
        let launch = sh("sleep 1000 & sleep 1000 & exit 1");
        stage.start("parent", &launch, 1);
        assert_eq!(stage.exit("parent"), Exit::Code(1));
        let answer = stage.look("parent", &launch, None);
        assert!(matches!(answer, mailward::plan::Found::Remains { .. }), "{answer:?}");
        stage.spawn("parent", &launch, 2);
        let refused = stage.until("parent", |s| match s {
            Seen::SpawnFailed { error, .. } => Some(error.to_string()),
            _ => None,
        });
        assert_eq!(refused, "an earlier life of it is not over");
        stage.ask("parent", &launch, 1);
        stage.empty("parent");
    });
}

#[test]
fn r05_a_double_fork_that_leaves_session_and_parent_is_still_ours() {
    with_and_without_cgroups(|stage| {
        let launch = sh("setsid sh -c 'sh -c \"echo away; exec sleep 1000\" & exit 0' & wait $!; exit 1");
        stage.start("fugitive", &launch, 1);
        assert_eq!(stage.exit("fugitive"), Exit::Code(1));
        stage.until_true("it got away", |s| s.host().last_lines("fugitive") == ["away"]);
        assert!(!stage.has("fugitive", |s| matches!(s, Seen::Emptied { .. })));
        stage.kill("fugitive", &launch, 1);
        stage.empty("fugitive");
    });
}

#[test]
fn a_program_that_calls_itself_like_a_line_of_proc_is_still_told_apart() {
    with_and_without_cgroups(|stage| {
        let launch = sh("printf ') Z 1 1 1' > /proc/$$/comm; echo named; while :; do sleep 1000 & wait; done");
        let identity = stage.start("liar", &launch, 1);
        stage.until_true("it has its name", |s| s.host().last_lines("liar") == ["named"]);
        assert_eq!(stage.host().main("liar"), Some(identity));
        stage.ask("liar", &launch, 1);
        assert_eq!(stage.exit("liar"), Exit::Signal(15));
    });
}

#[test]
fn a_pipe_held_open_after_death_delays_nothing() {
    with_and_without_cgroups(|stage| {
        let launch = sh("sleep 1000 & echo bye; exit 7");
        stage.start("holder", &launch, 1);
        assert_eq!(stage.exit("holder"), Exit::Code(7));
        assert_eq!(stage.host().last_lines("holder"), ["bye"]);
    });
}

#[test]
fn a_fork_bomb_in_small_is_ended_as_a_whole() {
    with_and_without_cgroups(|stage| {
        let launch =
            sh("f() { sleep 1000 & sleep 1000 & [ $1 -gt 0 ] && { f $(($1 - 1)) & f $(($1 - 1)) & }; wait; }; f 4");
        stage.start("bomb", &launch, 1);
        stage.kill("bomb", &launch, 1);
        assert_eq!(stage.exit("bomb"), Exit::Signal(9));
        stage.empty("bomb");
    });
}

#[test]
fn what_cannot_be_executed_is_explained_with_a_cure() {
    let mut stage = Stage::new(false);
    let file = |stage: &Stage, name: &str, text: &str, mode: u32| {
        std::fs::write(stage.path(name), text).unwrap();
        std::fs::set_permissions(stage.path(name), std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        stage.text(name)
    };
    let bad = file(&stage, "bad", "#!/no/such/interpreter -x\n", 0o755);
    let dos = file(&stage, "dos", "#!/bin/sh\r\n", 0o755);
    let plain = file(&stage, "plain", "echo hello\n", 0o755);
    let locked = file(&stage, "locked", "#!/bin/sh\n", 0o644);
    let folder = stage.text("");
    let folder = folder.trim_end_matches('/').to_owned();
    let missing = stage.text("missing");
    let cases = [
        (missing.clone(), format!("{missing} does not exist; install it, or correct `command`")),
        (folder.clone(), format!("{folder} is a directory; name the program in it")),
        (
            bad.clone(),
            format!(
                "{bad} asks in its first line for the interpreter /no/such/interpreter, which does not exist; install it, \
                 or correct that line"
            ),
        ),
        (
            dos.clone(),
            format!(
                "{dos} asks in its first line for the interpreter /bin/sh\\r, which does not exist; install it, or correct \
                 that line"
            ),
        ),
        (
            plain.clone(),
            format!("{plain} is neither a program for this machine nor a script that begins with `#!`"),
        ),
        (locked.clone(), format!("{locked} is not executable; chmod +x it")),
        (
            "no-such-program".to_owned(),
            "`no-such-program` is in no directory of PATH (/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin); \
             install it, or write its full path"
                .to_owned(),
        ),
    ];
    for (program, words) in cases {
        let launch = Launch { command: vec![program], ..Launch::default() };
        assert_eq!(stage.fails_to_start("broken", &launch), words);
    }
    let launch = Launch { directory: Some("/no/such/folder".to_owned()), ..sh("exit 0") };
    let words = stage.fails_to_start("broken", &launch);
    assert_eq!(
        words,
        "user root cannot enter the working directory /no/such/folder: No such file or directory; correct \
         `workingDirectory`"
    );
    let launch = Launch { user: Some("nobody-we-know".to_owned()), ..sh("exit 0") };
    assert!(stage.fails_to_start("broken", &launch).starts_with("user `nobody-we-know` is not in /etc/passwd"));
    assert!(stage.fails_to_start("broken", &Launch::default()).starts_with("no command is declared"));
    // After all these it starts when it can.
    stage.start("broken", &sh("exit 0"), 9);
    assert_eq!(stage.exit("broken"), Exit::Code(0));
}

#[test]
fn orphans_of_no_service_are_reaped_and_statuses_of_ours_are_not_stolen() {
    with_and_without_cgroups(|stage| {
        // Its grandchildren die as our children, many at a time, while services die too.
        let launch = sh("for i in 1 2 3 4 5 6 7 8; do (sh -c 'exit 9' &); done; exit 42");
        for life in 1..=20 {
            stage.start("litter", &launch, life);
            assert_eq!(stage.exit("litter"), Exit::Code(42));
            stage.empty("litter");
        }
        let zombies = || {
            let own = std::process::id().to_string();
            std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
                std::fs::read_to_string(entry.path().join("stat")).is_ok_and(|stat| {
                    let mut fields = stat.rsplit(')').next().unwrap_or_default().split_ascii_whitespace();
                    fields.next() == Some("Z") && fields.next() == Some(&own)
                })
            })
        };
        stage.until_true("no zombie is left", |_| !zombies());
    });
}

#[test]
fn two_hundred_that_die_at_once_each_say_how() {
    with_and_without_cgroups(|stage| {
        for n in 0..200 {
            stage.spawn(&format!("many{n}"), &sh(&format!("exit {}", n % 100)), 1);
        }
        for n in 0..200 {
            assert_eq!(stage.exit(&format!("many{n}")), Exit::Code(n % 100));
            stage.empty(&format!("many{n}"));
        }
    });
}
