//! The journal: one line a turn, each with a checksum; the last record of a service or a task wins.
//!
//! One `write` a line, so that a killed agent leaves a whole line or a torn one, and a group restart is remembered for
//! all its members or for none. It is written anew when it has grown, and after a write that failed.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::LedgerError;
use crate::desired::Launch;
use crate::engine::{Record, TaskRecord};
use crate::history::{ClientMarks, Marks};
use crate::model::{Fingerprint, Life, Name};

/// The format that is written; one that is not known is not read: the agent then looks for what runs.
const VERSION: u32 = 3;
/// The oldest that is read: there each line says of every service how it is launched.
const OLDEST: u32 = 2;
/// A journal is written anew when it is larger than this and larger than four times what it must hold.
const LARGE: u64 = 256 * 1024;

/// What pids and the boot clock mean: they are void after a reboot and in another pid namespace. A pod outlives its
/// containers and so their pid namespaces; what a restarted container may keep is said by [`Epoch::after`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Epoch {
    /// The content of `/proc/sys/kernel/random/boot_id`.
    pub boot: String,
    /// The pid namespace, as /proc/self/ns/pid names it, and when its process 1 began: numbers of namespaces that are
    /// gone are given to new ones.
    pub namespace: String,
    /// The uid of the pod, in one: another pod is as good as a reboot ([R6]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
}

/// What a journal of one epoch is worth in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// Everything: it is the same one.
    Whole,
    /// What persons and budgets decided; every process it names is gone, by nobody's failure.
    Decisions,
    /// Nothing.
    Nothing,
}

impl Epoch {
    /// The present one, in this pod where there is one; what cannot be read is empty, and then only equal to the same.
    pub fn present(pod: Option<&str>) -> Self {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let namespace = std::fs::read_link("/proc/self/ns/pid").unwrap_or_default();
        let first = std::fs::read_to_string("/proc/1/stat").unwrap_or_default();
        // The name of the program is in parentheses and may hold anything; the start time is field 22 (proc_pid_stat(5)).
        let began = first.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(19)).unwrap_or_default();
        Self {
            boot: boot.trim().to_owned(),
            namespace: format!("{}@{began}", namespace.to_string_lossy()),
            pod: pod.map(str::to_owned),
        }
    }

    /// What a journal that was written in `earlier` is worth now.
    pub fn after(&self, earlier: &Self) -> Worth {
        if self == earlier {
            Worth::Whole
        } else if self.pod.is_some() && self.pod == earlier.pod && self.boot == earlier.boot {
            Worth::Decisions
        } else {
            Worth::Nothing
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u32,
    epoch: Epoch,
    life: Life,
}

/// What was kept: of services and of tasks, each by its name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Kept {
    /// Of services.
    pub services: HashMap<Name, Record>,
    /// Of tasks.
    pub tasks: HashMap<Name, TaskRecord>,
}

/// Records to be kept, in order: the last one of a name stands. One line of the journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changed {
    /// Of services.
    pub services: Vec<(Name, Record)>,
    /// Of tasks.
    pub tasks: Vec<(Name, TaskRecord)>,
}

impl Changed {
    /// Whether there is nothing to keep.
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.tasks.is_empty()
    }
}

/// A line as it is written and read. How a service is launched is by far the most of its record and seldom changes: a
/// line leaves it out where the one before of the same name holds.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Line {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    services: Vec<(Name, Entry)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tasks: Vec<(Name, TaskRecord)>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Entry {
    marks: Marks,
    #[serde(skip_serializing_if = "Option::is_none")]
    launch: Option<Arc<Launch>>,
    stop_timeout_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    clients: Option<ClientMarks>,
}

impl Kept {
    /// Takes in what a line says.
    fn take(&mut self, line: Line) {
        for (name, Entry { marks, launch, stop_timeout_ms, clients }) in line.services {
            let record = self.services.entry(name).or_default();
            let launch = launch.unwrap_or_else(|| Arc::clone(&record.launch));
            *record = Record { marks, launch, stop_timeout_ms, clients };
        }
        self.tasks.extend(line.tasks);
    }

    fn without_processes(self) -> Self {
        let of_service = |Record { marks, launch, stop_timeout_ms, clients }: Record| {
            let clients = clients.map(ClientMarks::without_process);
            Record { marks: marks.without_process(), launch, stop_timeout_ms, clients }
        };
        let of_task = |record: TaskRecord| TaskRecord { marks: record.marks.without_process(), ..record };
        Self {
            services: self.services.into_iter().map(|(name, record)| (name, of_service(record))).collect(),
            tasks: self.tasks.into_iter().map(|(name, record)| (name, of_task(record))).collect(),
        }
    }
}

/// The open journal.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: Option<File>,
    head_life: Life,
    epoch: Epoch,
    /// The launch of each service that the file says last.
    told: HashMap<Name, Arc<Launch>>,
    size: u64,
    live_size: u64,
}

impl Journal {
    /// Opens the journal of a runtime folder for a new life of the agent, with what an earlier life kept; what cannot be
    /// read is left out, in silence where it is merely old.
    pub fn open(folder: &Path, epoch: Epoch) -> (Self, Kept) {
        let path = folder.join("journal");
        let (life, kept) = match std::fs::read(&path) {
            Ok(bytes) => read(&bytes, &epoch),
            Err(_) => (Life(0), Kept::default()),
        };
        let head_life = Life(life.0.saturating_add(1));
        (Self { path, file: None, head_life, epoch, told: HashMap::new(), size: 0, live_size: 0 }, kept)
    }

    /// The life that has begun.
    pub fn life(&self) -> Life {
        self.head_life
    }

    /// Keeps what changed before anything that follows from it is done. `everything` is asked where the file is written
    /// anew: at the beginning of a life, when it has grown, and after an error. It gives all records there are, those that
    /// changed among them.
    ///
    /// # Errors
    /// The disk does not take them. The next save writes everything anew.
    pub fn save(&mut self, changed: Changed, everything: impl FnOnce() -> Changed) -> Result<(), LedgerError> {
        let grown = self.size > LARGE && self.size > 4 * self.live_size;
        let saved = match &mut self.file {
            Some(_) if changed.is_empty() => return Ok(()),
            Some(file) if !grown => {
                let line = line(changed, &mut self.told);
                file.write_all(&line).inspect(|()| self.size += line.len() as u64)
            }
            Some(_) | None => self.rewrite(everything()),
        };
        saved.map_err(|source| {
            // A torn line would hide the next ones behind it.
            self.file = None;
            LedgerError::Write { path: self.path.clone(), source }
        })
    }

    fn rewrite(&mut self, everything: Changed) -> std::io::Result<()> {
        let new = self.path.with_extension("new");
        let head = Head { version: VERSION, epoch: self.epoch.clone(), life: self.head_life };
        let mut bytes = sealed(&serde_json::to_vec(&head)?);
        self.told.clear();
        bytes.extend(line(everything, &mut self.told));
        let mut file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(&bytes)?;
        std::fs::rename(&new, &self.path)?;
        self.file = Some(file);
        self.size = bytes.len() as u64;
        self.live_size = self.size;
        Ok(())
    }
}

/// A line with its checksum in front.
fn sealed(json: &[u8]) -> Vec<u8> {
    let mut line = format!("{:016x} ", Fingerprint::of(json).0).into_bytes();
    line.extend_from_slice(json);
    line.push(b'\n');
    line
}

fn line(Changed { services, tasks }: Changed, told: &mut HashMap<Name, Arc<Launch>>) -> Vec<u8> {
    let entry = |(name, Record { marks, launch, stop_timeout_ms, clients }): (Name, Record)| {
        let known = told.get(&name).is_some_and(|before| Arc::ptr_eq(before, &launch));
        if !known {
            told.insert(name.clone(), Arc::clone(&launch));
        }
        (name, Entry { marks, launch: (!known).then_some(launch), stop_timeout_ms, clients })
    };
    let line = Line { services: services.into_iter().map(entry).collect(), tasks };
    // Records are plain data: there is no map with keys that are not text, so this cannot fail.
    sealed(&serde_json::to_vec(&line).unwrap_or_default())
}

fn unsealed(line: &[u8]) -> Option<&[u8]> {
    let (seal, json) = line.split_at_checked(17)?;
    let seal = u64::from_str_radix(std::str::from_utf8(seal).ok()?.trim_end(), 16).ok()?;
    (Fingerprint::of(json).0 == seal).then_some(json)
}

/// What a journal's bytes hold, for this epoch: the life that wrote it and the last record of each service and
/// task, up to the first line that is not whole. Nothing, where it is of another epoch or another version; no process,
/// where it is of another container of the same pod.
pub fn read(bytes: &[u8], epoch: &Epoch) -> (Life, Kept) {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').map_while(|line| unsealed(line.strip_suffix(b"\n")?));
    let head = lines.next().and_then(|json| serde_json::from_slice::<Head>(json).ok());
    let Some(head) = head.filter(|head| (OLDEST..=VERSION).contains(&head.version)) else {
        return (Life(0), Kept::default());
    };
    let worth = epoch.after(&head.epoch);
    if worth == Worth::Nothing {
        return (Life(0), Kept::default());
    }
    let mut kept = Kept::default();
    lines.map_while(|json| serde_json::from_slice::<Line>(json).ok()).for_each(|line| kept.take(line));
    (head.life, if worth == Worth::Whole { kept } else { kept.without_processes() })
}
