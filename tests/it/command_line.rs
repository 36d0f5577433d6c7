//! The binary from outside: words, lines and exit codes, with a real agent and real processes.

use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::running::{copy_program, eventually, program};

/// An agent's folders and a document; whatever runs there ends with it.
struct Site {
    folder: tempfile::TempDir,
}

/// Oracle's services as programs that sleep; `late` never gets ready by itself.
const SERVICES: &str = "
    - {name: store, command: [/bin/sleep, '100001'], readiness: {type: Immediate}}
    - {name: purge, command: [/bin/sleep, '100002'], readiness: {type: Immediate}}
    - {name: imap, command: [/bin/sleep, '100003'], readiness: {type: Immediate}, listeners: []}
    - {name: pop, command: [/bin/sleep, '100004'], readiness: {type: Immediate}, listeners: []}
    - {name: http, enabled: false}
    - {name: sched, command: [/bin/sleep, '100005'], readiness: {type: Immediate}}
    - {name: dispatcher, command: [/bin/sleep, '100006'], readiness: {type: Immediate}, listeners: []}
    - {name: job_controller, command: [/bin/sleep, '100007'], readiness: {type: Immediate}, listeners: []}
";

impl Site {
    fn new() -> Self {
        Self::with(SERVICES)
    }

    fn with(services: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let site = Self { folder };
        site.write("mw.yaml", services);
        site
    }

    /// Writes a document with these services.
    fn write(&self, name: &str, services: &str) -> PathBuf {
        let path = self.path(name);
        let text = format!(
            "apiVersion: mailward.dev/v1alpha1\nkind: MessagingServer\nmetadata: {{name: mail}}\nspec:\n  profile: Oracle\n  \
             dataRoot: {}\n  services:{services}",
            self.path("data").display(),
        );
        std::fs::write(&path, text).unwrap();
        path
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(program());
        command.args(words).env("MAILWARD_SOCKET", self.path("run/control.sock"));
        command.env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Said {
        Said::from(self.command(words).output().unwrap())
    }

    /// `start-msg` with the folders of this site.
    fn start_msg(&self, components: &[&str]) -> Said {
        let mut command = self.command(&["start-msg"]);
        command.arg("--config").arg(self.path("mw.yaml")).arg("--state-dir").arg(self.path("state"));
        command.arg("--runtime-dir").arg(self.path("run")).args(components);
        Said::from(command.output().unwrap())
    }

    fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "-o", "json"]).out).unwrap()
    }

    fn service(&self, name: &str) -> Value {
        let status = self.status();
        let services = status["status"]["instances"][0]["services"].as_array().unwrap();
        services.iter().find(|service| service["name"] == name).unwrap().clone()
    }

    fn pid(&self, name: &str) -> i64 {
        self.service(name)["pid"].as_i64().unwrap_or(0)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        // Everything is stopped by KILL, then the agent ends.
        let _ = self.run(&["stop-msg", "-f"]);
        let _ = self.run(&["stop-msg", "watcher"]);
    }
}

/// What a command said.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// The lines with every pid as PID and dots as three.
    fn lines(&self) -> String {
        let mut text = String::new();
        for line in self.out.lines() {
            let words: Vec<&str> = line
                .split(' ')
                .map(|word| match word {
                    _ if word.parse::<u32>().is_ok() => "PID",
                    _ if word.len() >= 3 && word.chars().all(|c| c == '.') => "...",
                    other => other,
                })
                .collect();
            text.push_str(&words.join(" "));
            text.push('\n');
        }
        text
    }
}

fn is_alive(pid: i64) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[test]
fn r01_start_msg_launches_the_agent_and_prints_the_transcript_of_the_manual() {
    let site = Site::new();
    let said = site.start_msg(&[]);
    let expected = "\
Connecting to watcher ...
Launching watcher ... PID
Starting store server ... PID
Checking store server status ... ready
Starting purge server ... PID
Starting imap server ... PID
Starting pop server ... PID
Starting sched server ... PID
Starting dispatcher server ... PID
Starting job_controller server ... PID
";
    assert_eq!((said.code, said.lines().as_str(), said.err.as_str()), (0, expected, ""));
    assert!(said.out.contains(&format!("Starting imap server ... {}\n", site.pid("imap"))), "{}", said.out);
    let again = site.start_msg(&[]);
    assert_eq!((again.code, again.out.as_str()), (0, "Connecting to watcher ...\n"));
    assert_eq!(again.err, "start-msg: all enabled servers are already running\n");
    let again = site.start_msg(&["imap"]);
    assert_eq!((again.code, again.err.as_str()), (0, "start-msg: imap server is already running\n"));
}

#[test]
fn r01_start_msg_with_names_holds_everything_else_that_does_not_run() {
    let site = Site::new();
    let said = site.start_msg(&["mta"]);
    let expected = "\
Connecting to watcher ...
Launching watcher ... PID
Starting dispatcher server ... PID
Starting job_controller server ... PID
";
    assert_eq!((said.code, said.lines().as_str(), said.err.as_str()), (0, expected, ""));
    assert_eq!((site.service("sched")["held"].as_bool(), site.pid("sched")), (Some(true), 0));
    assert_eq!(site.service("dispatcher")["held"].as_bool(), Some(false));
}

#[test]
fn a_slip_of_the_finger_launches_no_agent() {
    let site = Site::new();
    let said = site.start_msg(&["impa"]);
    assert_eq!((said.code, said.err.as_str()), (64, "start-msg: there is no service named impa; did you mean imap?\n"));
    assert!(!site.path("run").exists());
}

#[test]
fn start_msg_says_why_an_agent_did_not_start() {
    let site = Site::with("\n    - {name: store, comand: [x]}\n");
    let said = site.start_msg(&[]);
    assert_eq!((said.code, said.lines().as_str()), (78, "Connecting to watcher ...\nLaunching watcher ...\n"));
    assert!(said.err.contains("the agent did not start") && said.err.contains("command"), "{}", said.err);
}

#[test]
fn r03_stop_msg_prints_a_line_a_process_in_reverse_order_and_names_what_does_not_run() {
    let site = Site::new();
    site.start_msg(&[]);
    let said = site.run(&["stop-msg", "imap"]);
    assert_eq!(
        (said.code, said.lines().as_str()),
        (0, "Connecting to watcher ...\nStopping imap server PID ... done\n")
    );
    let said = site.run(&["stop-msg"]);
    let expected = "\
Connecting to watcher ...
Stopping job_controller server PID ... done
Stopping dispatcher server PID ... done
Stopping sched server PID ... done
Stopping pop server PID ... done
imap server is not running
Stopping purge server PID ... done
Stopping store server PID ... done
";
    assert_eq!((said.code, said.lines().as_str(), said.err.as_str()), (0, expected, ""));
}

#[test]
fn r03_a_stop_by_kill_of_a_store_service_is_reported_as_a_risk() {
    let site = Site::new();
    site.start_msg(&[]);
    let said = site.run(&["stop-msg", "-f", "imap", "sched"]);
    assert_eq!(said.code, 0, "{said:?}");
    assert!(said.err.starts_with("stop-msg: stopped by KILL: imap; locks may be left"), "{}", said.err);
}

#[test]
fn r04_stop_msg_watcher_ends_the_agent_and_start_msg_adopts_what_runs_on() {
    let site = Site::new();
    site.start_msg(&[]);
    let before = site.pid("imap");
    let said = site.run(&["stop-msg", "watcher"]);
    assert_eq!((said.code, said.lines().as_str()), (0, "Connecting to watcher ...\nStopping watcher PID ... done\n"));
    assert!(is_alive(before), "imap runs on");
    assert_eq!(site.run(&["status"]).code, 3);
    let said = site.start_msg(&["imap"]);
    assert_eq!((said.code, said.err.as_str()), (0, "start-msg: imap server is already running\n"));
    assert_eq!(said.lines(), "Connecting to watcher ...\nLaunching watcher ... PID\n");
    assert_eq!(site.pid("imap"), before, "it is the same process");
}

#[test]
fn r04_every_refusal_has_its_exit_code_and_one_line() {
    let site = Site::new();
    site.start_msg(&[]);
    assert_eq!(site.run(&["stop", "store"]).code, 0);
    let table: [(&[&str], i32, &str); 9] = [
        (&["start", "imapp"], 64, "mailward: there is no service named imapp; did you mean imap?\n"),
        (&["start", "http"], 78, "mailward: http is disabled; enable it in the document first\n"),
        (&["start", "imap"], 69, "mailward: imap waits for store, which is held; start store first\n"),
        (&["start", "sched"], 0, ""),
        (&["stop", "store"], 0, ""),
        (&["reload", "sched"], 69, "mailward: sched declares no reload; restart it instead\n"),
        (&["why", "imapp"], 64, "mailward: there is no service named imapp; did you mean imap?\n"),
        (&["status", "imapp"], 64, "mailward: there is no service named imapp; did you mean imap?\n"),
        (
            &["start", "watcher"],
            64,
            "mailward: watcher is the agent itself: `mailward run` starts it, `stop-msg watcher` ends it alone\n",
        ),
    ];
    for (words, code, err) in table {
        let said = site.run(words);
        assert_eq!((said.code, said.err.as_str()), (code, err), "{words:?}");
    }
    assert!(site.run(&["start", "sched"]).out.starts_with("sched is already running, pid "));
    let said = site.run(&["start", "sched", "http", "imapp"]);
    assert_eq!(said.code, 78, "the first that is not as ordered: {said:?}");
}

#[test]
fn r04_what_is_not_ready_in_time_is_75_and_the_agent_goes_on() {
    let services = format!(
        "{}    - {{name: late, command: [/bin/sleep, '100008'], readiness: {{type: Command, command: [/bin/test, -e, GO]}}, \
         enabled: true, workingDirectory: /}}\n",
        SERVICES.trim_end_matches(' ')
    );
    let site = Site::new();
    let go = site.path("go");
    site.write("mw.yaml", &services.replace("GO", &go.display().to_string()));
    site.start_msg(&["sched"]);
    let said = site.run(&["start", "late", "--timeout", "300ms"]);
    assert_eq!(said.code, 75, "{said:?}");
    assert!(said.err.ends_with("mailward: late: not done within 0.3 s; the agent goes on with it\n"), "{}", said.err);
    let said = site.run(&["restart", "late", "--no-wait"]);
    assert_eq!((said.code, said.out.as_str()), (0, "late: restart is ordered\n"));
    std::fs::write(&go, "").unwrap();
    let said = site.run(&["start", "late"]);
    assert_eq!(said.code, 0, "{said:?}");
    eventually("late", || (site.service("late")["ready"] == "True").then_some(()));
}

#[test]
fn restart_waits_for_another_process_and_history_and_why_tell_of_it() {
    let site = Site::new();
    site.start_msg(&[]);
    let before = site.pid("imap");
    let said = site.run(&["restart", "imap"]);
    let after = site.pid("imap");
    assert_ne!(before, after);
    assert_eq!((said.code, said.out.as_str()), (0, format!("imap is restarted and ready, pid {after}\n").as_str()));
    assert!(said.err.contains("imap: a person ordered: restart\n") && said.err.contains(&format!("pid {after}\n")));
    assert!(site.run(&["history", "imap"]).out.contains("a person ordered: restart"));
    let events: Value = serde_json::from_str(&site.run(&["history", "-o", "json"]).out).unwrap();
    assert!(events.as_array().unwrap().iter().any(|told| told["event"]["event"] == "Ordered"));
    assert!(site.run(&["why", "imap"]).out.starts_with("imap runs as declared.\n"));
}

#[test]
fn r06_hold_and_release_wait_for_what_follows() {
    let site = Site::new();
    site.start_msg(&[]);
    let said = site.run(&["hold", "store"]);
    assert_eq!((said.code, said.out.as_str()), (0, "store is stopped and held until it is released\n"));
    assert_eq!((site.pid("store"), site.pid("imap")), (0, 0), "its dependents stop with it");
    let said = site.run(&["status", "sched", "imap"]);
    assert!(said.code == 1 && said.out.contains("waits: store held"), "{said:?}");
    let said = site.run(&["release", "store"]);
    assert_eq!((said.code, said.out), (0, format!("store is released, pid {}\n", site.pid("store"))));
    eventually("imap comes back with it", || (site.service("imap")["ready"] == "True").then_some(()));
}

#[test]
fn r20_plan_changes_nothing_and_ends_with_2_where_there_are_changes() {
    let site = Site::new();
    let file = site.path("mw.yaml");
    let file = file.to_str().unwrap();
    let said = site.run(&["plan", file, "-o", "json"]);
    let plan: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, plan["steps"][0]["verb"].as_str()), (2, Some("start")), "without an agent: {said:?}");
    assert_eq!(plan["steps"][0]["service"], "store");
    assert!(plan["steps"][0]["reason"].is_string());
    site.start_msg(&[]);
    let said = site.run(&["plan"]);
    assert_eq!((said.code, said.out.as_str()), (0, "nothing to do\n"));
    let before = site.pid("imap");
    let other = site.write("other.yaml", &SERVICES.replace("100003", "200003"));
    let said = site.run(&["plan", other.to_str().unwrap()]);
    let lines: Vec<&str> = said.out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!((said.code, lines), (2, vec!["STEP", "stop", "start"]), "{said:?}");
    assert_eq!(site.pid("imap"), before);
    let bad = site.write("bad.yaml", "\n    - {name: imap, comand: [x]}\n");
    let said = site.run(&["plan", bad.to_str().unwrap()]);
    assert!(said.code == 65 && said.err.contains("bad.yaml:8:"), "{said:?}");
}

#[test]
fn status_tells_no_agent_and_a_killed_one_apart_and_ends_with_3() {
    let site = Site::new();
    let said = site.run(&["status"]);
    assert!(said.code == 3 && said.err.starts_with("mailward: no agent is running: there is no "), "{said:?}");
    assert_eq!(site.run(&["start", "imap"]).code, 69);
    let object = site.status();
    assert_eq!(
        (&object["kind"], &object["status"]["conditions"][0]["reason"]),
        (&"MessagingServer".into(), &"NoAgent".into())
    );
    site.start_msg(&["sched"]);
    let held = site.run(&["status"]);
    assert_eq!(held.code, 1, "not all is ready: {held:?}");
    site.run(&["start"]);
    assert_eq!(site.run(&["status"]).code, 0);
    assert!(site.run(&["status", "-o", "yaml"]).out.starts_with("apiVersion: mailward.dev/v1alpha1\n"));
    let agent = site.status()["status"]["instances"][0]["agentPid"].as_i64().unwrap();
    let pid = rustix::process::Pid::from_raw(i32::try_from(agent).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let said = eventually("the killed agent", || Some(site.run(&["status"])).filter(|said| said.code == 3));
    assert!(said.err.contains("ended without cleaning up"), "{said:?}");
    site.start_msg(&["watcher"]);
}

#[test]
fn who_may_not_ask_is_told_so_with_77() {
    let site = Site::new();
    site.start_msg(&["watcher"]);
    let socket = site.path("run/control.sock");
    let said = if rustix::process::geteuid().is_root() {
        // Somebody else must be able to run the program at all.
        let copy = site.path("mailward");
        copy_program(&copy);
        let mut command = Command::new(copy);
        Said::from(command.args(["start", "imap", "--socket"]).arg(&socket).uid(65_534).output().unwrap())
    } else {
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o0)).unwrap();
        let said = site.run(&["start", "imap"]);
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o600)).unwrap();
        said
    };
    assert!(said.code == 77 && said.err.starts_with("mailward: you may not ask the agent on "), "{said:?}");
}

#[test]
fn validate_names_every_error_of_every_file_and_ends_with_65_or_66() {
    let site = Site::new();
    let good = site.path("mw.yaml");
    let bad = site.write("bad.yaml", "\n    - {name: imap, comand: [x]}\n    - {name: pop, enabeld: no}\n");
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let said = site.run(&["validate", good]);
    assert_eq!((said.code, said.out.lines().last()), (0, Some(format!("{good}: good").as_str())), "{said:?}");
    let said = site.run(&["validate", bad, good]);
    assert!(said.code == 65 && said.out.contains("bad.yaml:8:") && said.out.contains("bad.yaml:9:"), "{said:?}");
    let missing = site.path("missing.yaml");
    let said = site.run(&["validate", missing.to_str().unwrap(), bad, "-o", "json"]);
    let found: Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!((said.code, found[0]["good"].as_bool(), found[1]["good"].as_bool()), (66, Some(false), Some(false)));
    assert_eq!(found[1]["diagnostics"][0]["line"], 8);
}

#[test]
fn simulate_plays_and_compares() {
    let site = Site::new();
    let scenario = "# a start\ndocument:\n  profile: Custom\n  services: [{name: one, command: [/bin/true]}]\n\
                    timeline:\n  0s agent starts\n  1s end\nexpect:\n";
    let path = site.path("one.txt");
    std::fs::write(&path, scenario).unwrap();
    let name = path.to_str().unwrap();
    let played = site.run(&["simulate", name]);
    assert!(played.code == 0 && played.out.contains("one: spawn 1"), "{played:?}");
    let said = site.run(&["simulate", name, "--check"]);
    assert!(said.code == 1 && said.out.contains("+ 0.000 agent: starts\n"), "{said:?}");
    let expected: Vec<String> = played.out.lines().map(|line| format!("  {line}\n")).collect();
    std::fs::write(&path, format!("{scenario}{}", expected.concat())).unwrap();
    assert_eq!(site.run(&["simulate", name, "--check"]).code, 0);
    std::fs::write(&path, "timeline:\n").unwrap();
    assert_eq!(site.run(&["simulate", name]).code, 65);
}

#[test]
fn wrong_words_are_64_and_help_is_not() {
    let site = Site::new();
    let table: [(&[&str], i32); 8] = [
        (&[], 64),
        (&["strat"], 64),
        (&["start", "--timeout", "soon"], 64),
        (&["start", "--timeout", "1s", "--no-wait"], 64),
        (&["start-msg", "--no-such"], 64),
        (&["--help"], 0),
        (&["start-msg", "-h"], 0),
        (&["--version"], 0),
    ];
    for (words, code) in table {
        assert_eq!(site.run(words).code, code, "{words:?}");
    }
}

#[test]
fn by_its_other_names_it_is_the_command_of_that_name() {
    let site = Site::new();
    for name in ["start-msg", "stop-msg", "refresh"] {
        let link = site.path(name);
        std::os::unix::fs::symlink(program(), &link).unwrap();
        let help = Said::from(Command::new(&link).arg("-h").output().unwrap());
        assert!(help.code == 0 && help.out.contains(&format!("Usage: {name} [OPTIONS]")), "{help:?}");
    }
    let mut command = Command::new(site.path("stop-msg"));
    let said = Said::from(command.arg("--runtime-dir").arg(site.path("run")).output().unwrap());
    assert_eq!((said.code, said.out.as_str()), (69, "Connecting to watcher ...\n"));
    assert!(said.err.starts_with("stop-msg: no agent is running: "), "{}", said.err);
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let site = Site::new();
    let mut child = site.command(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.err, "");
}

#[test]
fn what_is_generated_is_what_is_committed() {
    let site = Site::new();
    let fresh = site.path("fresh");
    assert_eq!(site.run(&["generate", "--out", fresh.to_str().unwrap()]).code, 0);
    let committed = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = 0;
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(fresh.join(&folder)).unwrap() {
            let entry = entry.unwrap();
            let name = folder.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                folders.push(name);
                continue;
            }
            files += 1;
            let (new, old) = (std::fs::read(entry.path()).unwrap(), std::fs::read(committed.join(&name)).ok());
            assert!(old == Some(new), "{} is not what the source says; run: make generate", name.display());
        }
    }
    assert!(files > 20, "{files} files");
}
