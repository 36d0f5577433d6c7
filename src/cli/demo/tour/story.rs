//! The story, step by step.

use super::hang;
use super::unseen;
use super::watch::{Pids, Watch, is_settled, kill, lives, order, pids, place, quote, refuses, services};
use crate::cli::demo::stage::{Stage, is_alone};
use crate::cli::failure::{Failure, OK, SYSTEM};
use crate::cli::render;
use crate::cli::terminal::{print, style};
use crate::cli::waiting::find;
use crate::control::{Outcome, RunTask, Told};
use crate::engine::{Happened, TaskDid};
use crate::model::Exit;
use crate::status::{Condition, Reported, TaskStatus, Truth};

/// Plays it.
pub(super) async fn play(stage: &mut Stage) -> Result<(), Failure> {
    title(1, "start-msg starts everything, each service when what it needs is ready")?;
    if stage.start(&[]).await? != OK {
        return Err(unseen("a start of everything"));
    }
    let mut watch = Watch::begin(stage).await?;
    start(&mut watch).await?;
    title(2, "imap is killed (kill -9): the message store's services restart together, in order")?;
    kill_once(&mut watch).await?;
    title(3, "imap is killed once more within the window: it is given up, the others are left alone")?;
    kill_again(stage, &mut watch).await?;
    title(4, "start-msg imap: a person's start always acts")?;
    start_by_hand(stage, &mut watch).await?;
    title(5, "a task runs and sched is killed (kill -9): sched is restarted alone, the task ends once")?;
    task(stage, &mut watch).await?;
    title(6, "dispatcher is frozen (kill -STOP): a round of probes finds it, it is restarted, evidence is kept")?;
    hang::play(stage, &mut watch).await?;
    title(7, "a store client is killed: the message store's services restart, the client does not")?;
    kill_client(stage, &mut watch).await?;
    title(8, "an edit of the document: ens is added, pop is disabled")?;
    edit(stage, &mut watch).await?;
    title(9, "a broken edit: the last good document stays in force")?;
    broken_edit(stage, &mut watch).await?;
    title(10, "stop-msg stops everything in reverse order, then the agent ends")?;
    stop(stage, watch).await
}

fn title(number: u8, text: &str) -> Result<(), Failure> {
    print(&format!("\n{number}. {text}\n\n"))
}

pub(super) fn seen(text: &str) -> Result<(), Failure> {
    print(&format!("   seen: {text}\n"))
}

/// The claim holds, or the tour ends.
pub(super) fn claim(holds: bool, text: &str, otherwise: impl std::fmt::Debug) -> Result<(), Failure> {
    if holds { seen(text) } else { Err(unseen(format!("{text}; but {otherwise:?}"))) }
}

fn names(reported: &Reported, which: impl Fn(&crate::status::ServiceStatus) -> bool) -> Vec<String> {
    services(reported).filter(|service| which(service)).map(|service| service.name.clone()).collect()
}

fn reversed(names: &[String]) -> Vec<String> {
    names.iter().rev().cloned().collect()
}

/// All the processes but those of these services.
pub(super) fn but(pids: &Pids, these: &[String]) -> Pids {
    pids.iter().filter(|(name, _)| !these.contains(name)).map(|(name, pid)| (name.clone(), *pid)).collect()
}

async fn start(watch: &mut Watch) -> Result<(), Failure> {
    let up = |reported: &Reported| {
        services(reported).filter(|service| service.enabled).all(|service| service.ready == Truth::True)
            && is_settled(reported)
    };
    let reported = watch.until("all enabled services ready", up).await?;
    let enabled = names(&reported, |service| service.enabled);
    print("\n")?;
    let running = pids(&reported);
    claim(
        enabled.iter().all(|name| running.get(name).is_some_and(|pid| lives(*pid))),
        &format!("{} services are ready, each a process that lives: {}", enabled.len(), enabled.join(" ")),
        &running,
    )?;
    let told = watch.happened().await?;
    let ready = order(&told, |event| matches!(event, Happened::Ready { .. }));
    claim(ready == enabled, "they became ready one after the other, in the order of the profile", &ready)?;
    mail(watch, "sent after the start").await
}

pub(super) async fn mail(watch: &Watch, subject: &str) -> Result<(), Failure> {
    watch.send(subject)?;
    watch.read(subject).await?;
    seen(&format!("a message ({subject}) is taken by SMTP and read by IMAP"))
}

async fn kill_once(watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let reported = watch.status().await?;
    let group_name = find(&reported, "imap").and_then(|imap| imap.group.clone());
    let group = names(&reported, |service| service.enabled && service.group == group_name && group_name.is_some());
    let imap = pid_of(&before, "imap")?;
    print(&format!("   kill -9 {imap}\n"))?;
    kill(imap)?;
    let renewed = |reported: &Reported| {
        let now = pids(reported);
        is_settled(reported) && group.iter().all(|name| now.get(name).is_some_and(|pid| before.get(name) != Some(pid)))
    };
    let reported = watch.until("new processes of all services of the store", renewed).await?;
    watch.show_log()?;
    let now = pids(&reported);
    seen(&format!("new processes: {}", group.join(" ")))?;
    claim(but(&now, &group) == but(&before, &group), "all others run on, their pids are the same", &now)?;
    let told = watch.happened().await?;
    let survivors: Vec<String> = group.iter().filter(|name| *name != "imap").cloned().collect();
    let stopped = order(&told, |event| matches!(event, Happened::Stopped { .. }));
    claim(stopped == reversed(&survivors), &format!("stopped in reverse order: {}", stopped.join(" ")), &stopped)?;
    let started = order(&told, |event| matches!(event, Happened::Started { .. }));
    claim(started == group, &format!("started in order: {}", started.join(" ")), &started)?;
    let store = place(&told, "store", |event| matches!(event, Happened::Ready { .. }));
    let next = group.iter().filter(|name| *name != "store");
    let next = next.filter_map(|name| place(&told, name, |event| matches!(event, Happened::Started { .. }))).min();
    claim(store.is_some() && store < next, "nothing was started before the store was ready", (store, next))?;
    let restarts = find(&reported, "imap").map(|imap| imap.restarts_in_window);
    claim(restarts == Some(1), "imap has spent one restart of its budget", restarts)?;
    watch.read("sent after the start").await?;
    seen("the first message is still there")?;
    mail(watch, "sent after the restart").await
}

async fn kill_again(stage: &Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let imap = pid_of(&before, "imap")?;
    print(&format!("   kill -9 {imap}\n"))?;
    kill(imap)?;
    let given_up =
        |reported: &Reported| find(reported, "imap").is_some_and(|imap| imap.gave_up) && is_settled(reported);
    let reported = watch.until("imap given up", given_up).await?;
    watch.show_log()?;
    let imap = find(&reported, "imap").map(|imap| (imap.pid, imap.reason.clone())).unwrap_or_default();
    claim(imap.0.is_none() && refuses(stage.ports.imap), "imap is down, and its port refuses", imap.0)?;
    seen(&format!("mailward status says of it: {}", imap.1))?;
    let now = pids(&reported);
    claim(now == but(&before, &["imap".to_owned()]), "all others run on, their pids are the same", &now)?;
    let told = watch.happened().await?;
    let touched = order(&told, |event| matches!(event, Happened::Asked { .. } | Happened::Started { .. }));
    claim(touched.is_empty(), "nothing was stopped and nothing was started", &touched)?;
    watch.send("sent while imap was down")?;
    seen("a message is taken by SMTP all the same")
}

async fn start_by_hand(stage: &Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let code = stage.start(&["imap"]).await?;
    print("\n")?;
    claim(code == OK, "start-msg ends with 0", code)?;
    let up = |reported: &Reported| {
        is_settled(reported) && find(reported, "imap").is_some_and(|imap| imap.ready == Truth::True && !imap.gave_up)
    };
    let reported = watch.until("imap up again", up).await?;
    let now = pids(&reported);
    claim(but(&now, &["imap".to_owned()]) == before, "imap runs, all others run on, their pids are the same", &now)?;
    watch.read("sent while imap was down").await?;
    seen("the message that was sent meanwhile is read by IMAP")
}

async fn kill_client(stage: &Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let group = find(&watch.status().await?, "store").and_then(|store| store.group.clone());
    print("   mailward guard --name mboxutil -- sleep 1000000\n")?;
    let program = std::env::current_exe().map_err(|error| Failure::of(SYSTEM, &error))?;
    let mut guard = std::process::Command::new(program)
        .args(["guard", "--name", "mboxutil", "--", "sleep", "1000000"])
        .env("MAILWARD_SOCKET", stage.client().socket())
        .spawn()
        .map_err(|error| Failure::of(SYSTEM, &error))?;
    let client = |reported: &Reported| {
        let clients = reported.status.instances.iter().flat_map(|instance| &instance.clients);
        clients.map(|client| client.pid).next()
    };
    let registered = watch.until("a registered store client", |reported| client(reported).is_some()).await;
    let pid = registered.as_ref().ok().and_then(client);
    if let Some(pid) = pid {
        print(&format!("   kill -9 {pid}\n"))?;
        kill(pid)?;
    } else {
        // It must not outlive the tour.
        let _ = guard.kill();
    }
    let ended = guard.wait().map_err(|error| Failure::of(SYSTEM, &error))?;
    let reported = registered?;
    let members = names(&reported, |service| service.enabled && service.group == group && group.is_some());
    let renewed = |reported: &Reported| {
        let now = pids(reported);
        is_settled(reported)
            && members.iter().all(|name| now.get(name).is_some_and(|pid| before.get(name) != Some(pid)))
    };
    let reported = watch.until("new processes of all services of the store", renewed).await?;
    watch.show_log()?;
    let now = pids(&reported);
    seen(&format!("new processes: {}", members.join(" ")))?;
    claim(but(&now, &members) == but(&before, &members), "all others run on, their pids are the same", &now)?;
    claim(client(&reported).is_none(), "the client is not started again", client(&reported))?;
    claim(ended.code() == Some(137), "mailward guard ends as its command did: with 137", ended)?;
    mail(watch, "sent after the client's crash").await
}

async fn task(stage: &Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let answered = watch.client().run_task("expire", &RunTask::default()).await?;
    print("   mailward task run expire\n")?;
    claim(answered.outcome == Outcome::Doing, "the task is begun", &answered.message)?;
    let running = |reported: &Reported| expire(reported).is_some_and(|expire| expire.pid.is_some());
    let reported = watch.until("the task runs", running).await?;
    let runs = expire(&reported).and_then(|expire| expire.pid);
    let sched = pid_of(&before, "sched")?;
    print(&format!("   kill -9 {sched}\n"))?;
    kill(sched)?;
    let again = |reported: &Reported| {
        let new = find(reported, "sched").is_some_and(|it| it.ready == Truth::True && it.pid != Some(sched));
        new && is_settled(reported) && expire(reported).is_some_and(|expire| expire.pid.is_none())
    };
    let reported = watch.until("sched again and the task's end", again).await?;
    watch.show_log()?;
    let (now, only) = (pids(&reported), ["sched".to_owned()]);
    claim(but(&now, &only) == but(&before, &only), "all others run on, their pids are the same", &now)?;
    let told = watch.happened().await?;
    let did = |is_it: &dyn Fn(&TaskDid) -> bool| {
        let of =
            |told: &&Told| matches!(&told.event, Happened::Task { task, did } if &**task == "expire" && is_it(did));
        told.iter().filter(of).count()
    };
    let begun = did(&|did| matches!(did, TaskDid::Began { pid, .. } if Some(*pid) == runs));
    let ended = did(&|did| matches!(did, TaskDid::Ended { exit: Exit::Code(0), .. }));
    claim((begun, ended) == (1, 1), "the task was begun once and ended once, well", (begun, ended))?;
    let words = expire(&reported).and_then(|expire| expire.next_run.clone()).unwrap_or_default();
    claim(!words.is_empty(), &format!("it is due next at {words}"), &words)?;
    let log = std::fs::read_to_string(stage.document.data_root.join("log/expire")).unwrap_or_default();
    claim(log.contains("nothing has expired"), "log/expire has what it wrote", &log)
}

fn expire(reported: &Reported) -> Option<&TaskStatus> {
    reported.status.instances.iter().flat_map(|instance| &instance.tasks).find(|task| task.name == "expire")
}

async fn edit(stage: &mut Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let ens = stage.stand_in("ens", "ens").field("enabled", "true").field("readiness", "{type: Notify}");
    stage.document.services.insert(0, ens);
    set(stage, "pop", "enabled", "false");
    let text = stage.document.to_string();

    let forecast = watch.client().plan_document(text.clone().into_bytes()).await?;
    print("   mailward plan says of it:\n")?;
    quote(&render::plan(&forecast, style()))?;
    let mut planned: Vec<(&str, &str)> = forecast.steps.iter().map(|step| (&*step.verb, &*step.service)).collect();
    planned.sort_unstable();
    claim(planned == [("start", "ens"), ("stop", "pop")], "the plan is to stop pop and to start ens", &planned)?;

    let generation = watch.status().await?.status.observed_generation;
    stage.write(&text)?;
    let applied = |reported: &Reported| {
        reported.status.observed_generation > generation
            && is_settled(reported)
            && find(reported, "pop").is_some_and(|pop| pop.pid.is_none() && !pop.enabled)
            && find(reported, "ens").is_some_and(|ens| ens.ready == Truth::True)
    };
    let reported = watch.until("the edit applied", applied).await?;
    watch.show_log()?;
    let now = pids(&reported);
    claim(now.contains_key("ens"), "ens is ready", &now)?;
    claim(refuses(stage.ports.pop), "pop is gone, its port refuses", &now)?;
    let touched = ["ens".to_owned(), "pop".to_owned()];
    claim(but(&now, &touched) == but(&before, &touched), "all others run on, their pids are the same", &now)?;
    mail(watch, "sent after the edit").await
}

async fn broken_edit(stage: &mut Stage, watch: &mut Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let good = stage.document.to_string();
    let broken = good.replacen("      enabled: false\n", "      enabled: perhaps\n", 1);
    let line = broken.lines().position(|line| line.contains("enabled: perhaps")).map_or(0, |at| at + 1);
    let column =
        broken.lines().nth(line.saturating_sub(1)).and_then(|text| text.find("perhaps")).map_or(0, |at| at + 1);
    let generation = watch.status().await?.status.observed_generation;
    print(&format!("   line {line} of {} now says: enabled: perhaps\n", stage.file().display()))?;
    stage.write(&broken)?;
    let valid = |reported: &Reported| condition(reported, "ConfigValid").map(|valid| valid.status);
    let refused = |reported: &Reported| valid(reported) == Some(Truth::False);
    let reported = watch.until("ConfigValid False", refused).await?;
    let said = condition(&reported, "ConfigValid").map(|valid| valid.message.clone()).unwrap_or_default();
    let place = format!("{}:{line}:{column}:", stage.file().display());
    claim(said.contains(&place), &format!("ConfigValid is False, with line and column: {said}"), &place)?;
    let same = reported.status.observed_generation == generation && pids(&reported) == before;
    claim(same, "the document before it is in force, every pid is the same", pids(&reported))?;
    mail(watch, "sent during the broken edit").await?;

    stage.write(&good)?;
    let accepted = |reported: &Reported| valid(reported) == Some(Truth::True) && is_settled(reported);
    let reported = watch.until("ConfigValid True again", accepted).await?;
    claim(pids(&reported) == before, "put right, ConfigValid is True, and nothing was restarted", pids(&reported))
}

async fn stop(stage: &Stage, mut watch: Watch) -> Result<(), Failure> {
    let before = watch.mark().await?;
    let running = names(&watch.status().await?, |service| service.pid.is_some());
    let code = stage.stop(&[], false).await?;
    let reported = watch.status().await?;
    let told = watch.happened().await?;
    let stopped = order(&told, |event| matches!(event, Happened::Stopped { .. }));
    let ended = stage.stop(&["watcher"], false).await?;
    print("\n")?;
    claim((code, ended) == (OK, OK), "stop-msg ends with 0", (code, ended))?;
    claim(pids(&reported).is_empty(), "no service runs", pids(&reported))?;
    claim(stopped == reversed(&running), "stopped in reverse order", &stopped)?;
    let left: Vec<&String> = before.iter().filter(|(_, pid)| lives(**pid)).map(|(name, _)| name).collect();
    claim(left.is_empty(), "their processes are gone", &left)?;
    let ports = [stage.ports.imap, stage.ports.smtp, stage.ports.submission, stage.ports.http];
    claim(ports.into_iter().all(refuses), "their ports refuse", ports)?;
    // The agent has said goodbye and may need a moment to be gone.
    let begun = std::time::Instant::now();
    while !is_alone() && begun.elapsed() < std::time::Duration::from_mins(1) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    claim(is_alone(), "the agent has ended, and no process it or a service ever started is left", "some are")
}

pub(super) fn pid_of(pids: &Pids, service: &str) -> Result<i32, Failure> {
    pids.get(service).copied().ok_or_else(|| unseen(format!("a process of {service}")))
}

fn set(stage: &mut Stage, service: &str, field: &'static str, yaml: &str) {
    if let Some(service) = stage.document.service(service) {
        service.set(field, yaml);
    }
}

fn condition<'a>(reported: &'a Reported, name: &str) -> Option<&'a Condition> {
    reported.status.conditions.iter().find(|condition| condition.r#type == name)
}
