//! The threads that make children.
//!
//! Making a child suspends its maker until the child runs its program. A child that enters a frozen cgroup never does,
//! and its maker then sleeps where no signal reaches it: that must not be the agent's loop. A thread that is stuck so
//! is joined by another one, up to [`MOST`].

use std::collections::VecDeque;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, PidfdFlags};

use super::birth::{Born, Stillborn};
use super::life::bury;
use super::order::{About, Order};
use super::{proc, sys, words};
use crate::model::Identity;

/// Threads at most; each costs a few pages.
const MOST: usize = 8;
/// More jobs than this waiting make a second thread: a whole server starts, and making a cgroup takes its time.
const CROWD: usize = 4;

/// A child to be made; the ticket comes back with the answer.
pub(super) struct Job {
    /// Chosen by the caller.
    pub(super) ticket: u64,
    /// What to do.
    pub(super) work: Work,
}

/// What there is to do.
pub(super) enum Work {
    /// Make a child that is wanted.
    Make(Box<Order>),
    /// Wait for one that was made ahead and is wanted or not by now.
    Await(sys::Parked),
}

/// A child that runs its program.
pub(super) struct Newborn {
    /// What proves that it is this process.
    pub(super) identity: Identity,
    /// Readable when it ends.
    pub(super) pidfd: OwnedFd,
    /// What it could not be given.
    pub(super) born: Born,
    /// Names for the limits among it.
    pub(super) about: About,
}

/// The answer to a [`Job`].
pub(super) struct Done {
    /// Of the job.
    pub(super) ticket: u64,
    /// The child, or why there is none, in words.
    pub(super) result: Result<Newborn, String>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    dead: Vec<OwnedFd>,
    done: Vec<Done>,
    lanes: Vec<Arc<AtomicI32>>,
    idle: usize,
    /// Threads that read a status.
    burying: usize,
    /// Children made ahead that a thread waits for.
    parked: Vec<i32>,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    work: Condvar,
    /// Dead children whose status is not read yet; changed under the lock, read without it.
    unburied: AtomicUsize,
    bell: OwnedFd,
}

impl Shared {
    /// No thread leaves the queue half changed, so a poisoned one is as good as another.
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self) {
        let _ = rustix::io::write(&self.bell, &1u64.to_ne_bytes());
    }
}

/// The owner of the threads.
pub(super) struct Spawner {
    shared: Arc<Shared>,
    /// Whether a thread can wake up beside the agent's loop.
    beside: bool,
}

impl Spawner {
    /// Starts the first thread; `bell` is an eventfd that is written whenever an answer waits.
    pub(super) fn new(bell: BorrowedFd<'_>) -> std::io::Result<Self> {
        let shared = Shared {
            queue: Mutex::default(),
            work: Condvar::new(),
            unburied: AtomicUsize::new(0),
            bell: bell.try_clone_to_owned()?,
        };
        let beside = std::thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
        let spawner = Self { shared: Arc::new(shared), beside };
        spawner.add_lane()?;
        Ok(spawner)
    }

    fn add_lane(&self) -> std::io::Result<()> {
        let announced = Arc::new(AtomicI32::new(0));
        self.shared.queue().lanes.push(Arc::clone(&announced));
        let shared = Arc::clone(&self.shared);
        std::thread::Builder::new()
            .name("spawn".to_owned())
            .stack_size(64 * 1024)
            .spawn(move || work(&shared, &announced))
            .map(drop)
    }

    /// Hands a job over and returns at once.
    pub(super) fn submit(&self, job: Job) {
        let mut queue = self.shared.queue();
        if let Work::Await(parked) = &job.work {
            queue.parked.push(parked.pid());
        }
        queue.jobs.push_back(job);
        let crowd = self.beside && queue.jobs.len() > CROWD && queue.lanes.len() < 2;
        drop(queue);
        self.shared.work.notify_one();
        if crowd {
            // One lane does it too.
            let _ = self.add_lane();
        }
    }

    /// Reads the status of a dead child, beside the agent's loop where there is a processor for that.
    pub(super) fn bury(&self, dead: OwnedFd) {
        if !self.beside {
            bury(dead.as_fd());
            return;
        }
        let mut queue = self.shared.queue();
        queue.dead.push(dead);
        self.shared.unburied.store(queue.dead.len() + queue.burying, Ordering::Release);
        drop(queue);
        self.shared.work.notify_one();
    }

    /// Whether some child is dead whose status a thread is about to read; the bell rings when it was read.
    pub(super) fn buries(&self) -> bool {
        self.shared.unburied.load(Ordering::Acquire) > 0
    }

    /// Every answer there is.
    pub(super) fn collect(&self) -> Vec<Done> {
        std::mem::take(&mut self.shared.queue().done)
    }

    /// Whether more jobs wait than threads.
    pub(super) fn stalled(&self) -> bool {
        let queue = self.shared.queue();
        queue.jobs.len() + queue.dead.len() > queue.idle
    }

    /// One thread more; false when there are enough or none can be had.
    pub(super) fn widen(&self) -> bool {
        self.shared.queue().lanes.len() < MOST && self.add_lane().is_ok()
    }

    /// Whether this pid is a child in the making, whose end its maker or its owner will read.
    pub(super) fn announced(&self, pid: i32) -> bool {
        let queue = self.shared.queue();
        queue.parked.contains(&pid) || queue.lanes.iter().any(|lane| lane.load(Ordering::Acquire) == pid)
    }
}

impl Drop for Spawner {
    fn drop(&mut self) {
        // Not joined: a thread that is stuck in a frozen cgroup would hold the agent's exit up.
        self.shared.queue().closed = true;
        self.shared.work.notify_all();
    }
}

fn work(shared: &Shared, announced: &AtomicI32) {
    sys::block_signals();
    let mut stack = sys::Stack::new();
    loop {
        let mut queue = shared.queue();
        let job = loop {
            if let Some(pidfd) = queue.dead.pop() {
                queue.burying += 1;
                drop(queue);
                bury(pidfd.as_fd());
                drop(pidfd);
                queue = shared.queue();
                queue.burying -= 1;
                shared.unburied.store(queue.dead.len() + queue.burying, Ordering::Release);
                shared.ring();
                continue;
            }
            if let Some(job) = queue.jobs.pop_front() {
                break job;
            }
            if queue.closed {
                return;
            }
            queue.idle += 1;
            queue = shared.work.wait(queue).unwrap_or_else(PoisonError::into_inner);
            queue.idle -= 1;
        };
        drop(queue);
        let (order, born, parked) = match job.work {
            Work::Make(order) => {
                let born = sys::spawn(&order.birth, &mut stack, announced);
                (order, born, None)
            }
            Work::Await(parked) => {
                let pid = parked.pid();
                let (order, outcome) = parked.wait();
                let gate = order.birth.gate.as_ref();
                if gate.is_some_and(|gate| !gate.opened()) {
                    // Nobody waits for an answer; whoever reaps may have waited for this.
                    shared.queue().parked.retain(|known| *known != pid);
                    shared.ring();
                    continue;
                }
                let born = outcome.unwrap_or_else(|| sys::spawn(&order.birth, &mut stack, announced));
                (order, born, Some(pid))
            }
        };
        // The kernel wakes the maker up as soon as the child lets go of its memory, often on the child's own processor, in
        // the middle of its exec. What is left to do here can wait; who waits for the service cannot.
        if shared.queue().jobs.is_empty() {
            std::thread::yield_now();
        }
        let result =
            prove(&order, born).map(|(identity, pidfd, born)| Newborn { identity, pidfd, born, about: order.about });
        let mut queue = shared.queue();
        queue.done.push(Done { ticket: job.ticket, result });
        queue.parked.retain(|known| Some(*known) != parked);
        drop(queue);
        // After the answer is there: whoever finds the pid no longer announced finds the answer.
        announced.store(0, Ordering::Release);
        shared.ring();
    }
}

fn prove(order: &Order, born: Result<Born, Stillborn>) -> Result<(Identity, OwnedFd, Born), String> {
    let born = born.map_err(|failure| words::explain(order, failure))?;
    let pid = Pid::from_raw(born.pid).ok_or("the kernel gave no pid")?;
    let proven = || {
        // It may have ended already; unreaped, its pid and its start time stay its own.
        let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|errno| {
            format!("no descriptor for the new process: {errno}; raise the agent's limit on open files")
        })?;
        let started = proc::stat(born.pid)
            .map(|s| s.started)
            .ok_or("/proc cannot be read; mount it, or raise the agent's limit on open files")?;
        Ok((Identity { pid: born.pid, started }, pidfd, born))
    };
    proven().inspect_err(|_: &String| {
        // What cannot be supervised must not run. Its status is read as an orphan's is.
        let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
    })
}
