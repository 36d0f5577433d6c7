//! Starting the agent for a command that needs one: through systemd where the unit is installed, else as a process of
//! its own session that outlives the command and its terminal.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::StartMsg;
use crate::cli::args::Place;
use crate::cli::failure::{CANNOT_CREATE, Failure, SYSTEM, UNAVAILABLE};
use crate::cli::folders::Folders;
use crate::cli::running::HOLD_ALL_BUT;
use crate::cli::terminal::print;
use crate::control::{Client, ClientError, Events};

const UNIT: &str = "mailward.service";
/// How often it is looked whether the agent answers.
const LOOK: Duration = Duration::from_millis(20);
/// How often a dot is printed.
const DOT: Duration = Duration::from_secs(1);
/// How long an agent may take to answer for the first time.
const PATIENCE: Duration = Duration::from_mins(1);
/// Lines of the agent's log that are shown when it ends at once.
const SHOWN: usize = 20;

/// Launches the agent, prints the line, and follows it. `but` are the services that are not to be held.
pub(super) async fn launch(
    client: &Client,
    missing: ClientError,
    said: &StartMsg,
    but: Option<&[String]>,
) -> Result<Events, Failure> {
    let place = &said.place;
    let folders = Folders::of(place)?;
    if client.socket() != folders.runtime_dir.join("control.sock") {
        // Somebody said where the agent is; what would be launched here would be another.
        return Err(missing.into());
    }
    print("Launching watcher ...")?;
    let launched = if has_unit(place) { by_systemd(&folders, but)? } else { by_hand(&folders, said, but)? };
    let events = answers(client, launched).await;
    if events.is_err() {
        print("\n")?;
    }
    let (events, pid) = events?;
    print(&format!(" {pid}\n"))?;
    Ok(events)
}

/// A process that was started, and where it writes.
struct Launched {
    process: Child,
    log: Option<std::path::PathBuf>,
}

async fn answers(client: &Client, mut launched: Launched) -> Result<(Events, i32), Failure> {
    let begun = Instant::now();
    let mut dotted = begun;
    loop {
        let ended = launched.process.try_wait().map_err(|error| Failure::of(SYSTEM, &error))?;
        let asked = async { Ok::<_, ClientError>((client.events().await?, client.status().await?)) };
        match asked.await {
            Ok((events, reported)) => {
                let pid = reported.status.instances.first().map_or(0, |instance| instance.agent_pid);
                return Ok((events, pid));
            }
            // It took the connection and ended over its document before it answered: the next look finds it ended.
            Err(error) if error.is_no_agent() || matches!(error, ClientError::Broken(_)) => {}
            Err(error) => return Err(error.into()),
        }
        match (ended, &launched.log) {
            // The agent itself has ended: its own words say why.
            (Some(status), Some(log)) => {
                let code = status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(UNAVAILABLE);
                return Err(Failure::new(code, format!("the agent did not start:\n{}", last_lines(log))));
            }
            (Some(status), None) if !status.success() => {
                let words = format!("systemd could not start {UNIT}; see systemctl status {UNIT}");
                return Err(Failure::new(UNAVAILABLE, words));
            }
            (Some(_) | None, _) => {}
        }
        if begun.elapsed() > PATIENCE {
            let words = format!("the agent does not answer on {}", client.socket().display());
            return Err(Failure::new(UNAVAILABLE, words));
        }
        sleep(LOOK).await;
        if dotted.elapsed() >= DOT {
            dotted = Instant::now();
            print(".")?;
        }
    }
}

/// systemd runs (`sd_booted(3)`), we may ask it, it has the unit, and nobody wishes other folders than the unit's.
fn has_unit(place: &Place) -> bool {
    let is_default = place.config.is_none() && place.state_dir.is_none() && place.runtime_dir.is_none();
    is_default
        && rustix::process::geteuid().is_root()
        && Path::new("/run/systemd/system").is_dir()
        && quiet(Command::new("systemctl").args(["cat", UNIT])).status().is_ok_and(|status| status.success())
}

fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}

fn by_systemd(folders: &Folders, but: Option<&[String]>) -> Result<Launched, Failure> {
    if let Some(names) = but {
        let path = folders.runtime_dir.join(HOLD_ALL_BUT);
        std::fs::create_dir_all(&folders.runtime_dir)
            .and_then(|()| std::fs::write(&path, names.join("\n")))
            .map_err(|error| Failure::new(CANNOT_CREATE, format!("{}: {error}", path.display())))?;
    }
    let process = quiet(Command::new("systemctl").args(["start", UNIT])).spawn();
    let process = process.map_err(|error| Failure::new(SYSTEM, format!("systemctl: {error}")))?;
    Ok(Launched { process, log: None })
}

fn by_hand(folders: &Folders, said: &StartMsg, but: Option<&[String]>) -> Result<Launched, Failure> {
    let log = folders.state_dir.join("agent.log");
    let (out, err) = open(&log).map_err(|error| Failure::new(CANNOT_CREATE, format!("{}: {error}", log.display())))?;
    let program = std::env::current_exe().map_err(|error| Failure::of(SYSTEM, &error))?;
    let mut command = Command::new(program);
    command.arg("run").arg("--new-session");
    command.arg("--config").arg(absolute(&folders.config));
    command.arg("--state-dir").arg(absolute(&folders.state_dir));
    command.arg("--runtime-dir").arg(absolute(&folders.runtime_dir));
    if let Some(names) = but {
        command.arg(format!("--hold-all-but={}", names.join(",")));
    }
    if said.ends_with_us {
        command.arg("--end-with").arg(std::process::id().to_string());
    }
    // The agent's folder is not the one of whoever happened to launch it: that could never be unmounted.
    command.current_dir("/").stdin(Stdio::null()).stdout(out).stderr(err);
    let process = command.spawn().map_err(|error| Failure::of(SYSTEM, &error))?;
    Ok(Launched { process, log: Some(log) })
}

fn absolute(path: &Path) -> std::path::PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn open(log: &Path) -> std::io::Result<(File, File)> {
    if let Some(folder) = log.parent() {
        std::fs::create_dir_all(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o640).open(log)?;
    Ok((file.try_clone()?, file))
}

fn last_lines(log: &Path) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(SHOWN)..].join("\n")
}
