//! What a child is given.

use std::fs;
use std::process::{Command, Stdio};

use mailward::desired::{Launch, Limits};
use mailward::model::Exit;

use crate::stage::{Stage, cgroup_of, sh, with_and_without_cgroups};

#[test]
fn a_child_gets_its_user_group_directory_limits_and_a_clean_environment() {
    with_and_without_cgroups(|stage| {
        let launch = Launch {
            user: Some("nobody".to_owned()),
            user_group: Some("daemon".to_owned()),
            directory: Some("/usr/share".to_owned()),
            environment: vec![("COLOUR".to_owned(), "blue".to_owned()), ("LANG".to_owned(), "C".to_owned())],
            limits: Some(Box::new(Limits { open_files: Some(99), core_size: Some(0), ..Limits::default() })),
            ..sh("id -u; id -g; pwd; ulimit -n; ulimit -Hn; ulimit -c; umask; exit 0")
        };
        stage.start("given", &launch, 1);
        assert_eq!(stage.exit("given"), Exit::Code(0));
        let lines = stage.host().last_lines("given");
        assert_eq!(lines, ["65534", "1", "/usr/share", "99", "99", "0", "0022"]);
        stage.empty("given");

        stage.start("given", &Launch { command: vec!["env".to_owned()], ..launch }, 2);
        assert_eq!(stage.exit("given"), Exit::Code(0));
        let mut lines = stage.host().last_lines("given").split_off(7);
        lines.sort();
        let marker = format!("MAILWARD_SERVICE={}/given/2", stage.instance());
        let expected = [
            "COLOUR=blue",
            "HOME=/nonexistent",
            "LANG=C",
            "LOGNAME=nobody",
            marker.as_str(),
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "SHELL=/usr/sbin/nologin",
            "USER=nobody",
        ];
        assert_eq!(lines, expected);
    });
}

#[test]
fn a_child_inherits_no_descriptor_no_mask_and_no_ignored_signal() {
    with_and_without_cgroups(|stage| {
        let launch =
            sh("ls /proc/self/fd; grep -E '^Sig(Blk|Ign|Cgt)' /proc/self/status; readlink /proc/self/fd/0; exit 0");
        stage.start("bare", &launch, 1);
        assert_eq!(stage.exit("bare"), Exit::Code(0));
        let lines = stage.host().last_lines("bare");
        // 3 is the directory that ls itself reads.
        assert_eq!(lines[..4], ["0", "1", "2", "3"]);
        let zero = "0000000000000000";
        assert_eq!(lines[4], format!("SigBlk:\t{zero}"));
        assert_eq!(lines[5], format!("SigIgn:\t{zero}"));
        assert_eq!(lines[7], "/dev/null");
    });
}

#[test]
fn a_child_reads_nothing_whatever_the_agent_reads() {
    // The host of another test would read how our child ended.
    let _alone = Stage::new(false);
    for input in [Stdio::null(), Stdio::piped()] {
        let mut once_more = Command::new(std::env::current_exe().unwrap());
        once_more.args(["--exact", "launch::a_child_inherits_no_descriptor_no_mask_and_no_ignored_signal"]);
        let said = once_more.stdin(input).output().unwrap();
        let text = String::from_utf8_lossy(&said.stdout);
        assert!(said.status.success() && text.contains("1 passed"), "{text}");
    }
}

#[test]
fn a_child_leads_a_session_of_its_own() {
    with_and_without_cgroups(|stage| {
        let identity = stage.start("leader", &sh("sleep 1000"), 1);
        let stat = fs::read_to_string(format!("/proc/{}/stat", identity.pid)).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
        let pid = identity.pid.to_string();
        assert_eq!((fields[2], fields[3]), (pid.as_str(), pid.as_str()));
        let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", identity.pid)).unwrap();
        let own = format!("mailward.{}/leader", stage.instance());
        let has_cgroups = stage.host().has_cgroups();
        assert_eq!(cgroup.lines().any(|l| l.starts_with("0::") && l.ends_with(&own)), has_cgroups);
    });
}

#[test]
fn where_no_cgroup_can_be_made_it_is_said_why_and_the_service_runs_all_the_same() {
    let mut stage = Stage::new(true);
    let first = stage.start("first", &sh("sleep 1000"), 1);
    fs::write(cgroup_of(first.pid).with_file_name("cgroup.max.descendants"), "1").unwrap();
    stage.start("second", &sh("exit 3"), 1);
    assert_eq!(stage.exit("second"), Exit::Code(3));
    stage.empty("second");
    let complaints = stage.host().complaints();
    let why = "second could not enter its cgroup (Resource temporarily unavailable";
    assert!(complaints.iter().any(|complaint| complaint.starts_with(why)), "{complaints:?}");
    stage.kill("first", &sh("sleep 1000"), 1);
    stage.empty("first");
}

#[test]
fn a_hard_limit_that_cannot_be_raised_is_said_once_and_does_not_keep_it_from_starting() {
    let mut stage = Stage::new(false);
    let limits = Limits { open_files: Some(1 << 30), ..Limits::default() };
    let launch = Launch { limits: Some(Box::new(limits)), ..sh("ulimit -n; exit 0") };
    for life in 1..=2 {
        stage.start("greedy", &launch, life);
        assert_eq!(stage.exit("greedy"), Exit::Code(0));
        stage.empty("greedy");
    }
    let lines = stage.host().last_lines("greedy");
    let complaints = stage.host().complaints();
    // With the privilege the kernel's own bound (fs.nr_open) refuses it; without, the hard limit does.
    assert_eq!(complaints.iter().filter(|c| c.contains("greedy: limits.openFiles")).count(), 1, "{complaints:?}");
    assert!(lines[0].parse::<u64>().unwrap() > 100, "{lines:?}");
}

#[test]
fn a_service_may_open_its_standard_output_by_name_although_it_runs_as_another_user() {
    let mut stage = Stage::new(false);
    let launch =
        Launch { user: Some("nobody".to_owned()), ..sh("echo by name > /dev/stdout; echo too >> /dev/stderr") };
    stage.start("reopener", &launch, 1);
    assert_eq!(stage.exit("reopener"), Exit::Code(0));
    assert_eq!(stage.host().last_lines("reopener"), ["by name", "too"]);
}

#[test]
fn r03_a_life_that_is_over_is_never_signalled_again() {
    with_and_without_cgroups(|stage| {
        let launch = sh("exec sleep 1000");
        stage.start("lives", &launch, 1);
        stage.kill("lives", &launch, 1);
        stage.empty("lives");
        stage.start("lives", &launch, 2);
        stage.kill("lives", &launch, 1);
        stage.ask("lives", &launch, 2);
        assert_eq!(stage.exit("lives"), Exit::Signal(15), "TERM of the second life, not KILL of the first");
    });
}

#[test]
fn a_stop_that_is_asked_while_the_child_is_made_is_done_when_it_is_there() {
    with_and_without_cgroups(|stage| {
        let launch = sh("exec sleep 1000");
        stage.spawn("hasty", &launch, 1);
        stage.kill("hasty", &launch, 1);
        assert_eq!(stage.exit("hasty"), Exit::Signal(9));
        stage.empty("hasty");
    });
}

#[test]
fn a_frozen_cgroup_holds_up_only_its_own_service_and_can_be_killed() {
    let mut stage = Stage::new(true);
    let launch = sh("exec sleep 1000");
    let identity = stage.start("ice", &launch, 1);
    let freeze = cgroup_of(identity.pid).join("cgroup.freeze");
    rustix::process::kill_process(rustix::process::Pid::from_raw(identity.pid).unwrap(), rustix::process::Signal::KILL)
        .unwrap();
    stage.empty("ice");
    fs::write(&freeze, "1").unwrap();
    stage.spawn("ice", &launch, 2);
    stage.start("water", &sh("exit 0"), 1);
    assert_eq!(stage.exit("water"), Exit::Code(0));
    stage.kill("ice", &launch, 2);
    stage.until("ice", |seen| {
        use mailward::plan::Seen;
        matches!(seen, Seen::Emptied { .. } | Seen::SpawnFailed { .. }).then_some(())
    });
    assert!(!fs::exists(&freeze).unwrap(), "it went with its cgroup");
}

#[test]
fn what_is_started_after_a_kill_of_its_whole_cgroup_lives() {
    let mut stage = Stage::new(true);
    let launch = sh("exec sleep 1000");
    for life in 1..4 {
        stage.start("phoenix", &launch, life);
        stage.kill("phoenix", &launch, life);
        assert_eq!(stage.exit("phoenix"), Exit::Signal(9));
        stage.empty("phoenix");
    }
    // Moved in or born there: it says who it is, and that it is in no other cgroup than its own.
    let identity = stage.start("phoenix", &launch, 4);
    let cgroup = fs::read_to_string(format!("/proc/{}/cgroup", identity.pid)).unwrap();
    assert!(cgroup.lines().any(|line| line.starts_with("0::") && line.ends_with("/phoenix")), "{cgroup}");
}
