#!/usr/bin/env python3
"""Crash to restart, start of 1,000, idle cost and memory: Mailward beside a bare C loop and its peers, in one run.

    .ci/bench [--quick] [--only mailward,bare] [--dynamic] [--seed N] [--mailward BINARY] [--out FOLDER]

Prints a Markdown table and leaves it with the raw numbers as bench.md and bench.json. Ends with 1 if the bare loop or
mailward failed in a part that was asked for, 2 if nothing could be measured. See README.md beside this file.
"""

import argparse
import glob
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # no __pycache__ in the source tree

import peers
import probing
import report
import tree
from running import Failed, Running, stop_all

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
PREFIX = "mailward-bench."

FULL = {
    "kills": {(peers.FAST, 10): 300, (peers.FAST, 1000): 300, (peers.SLOW, 10): 20, (peers.SLOW, 1000): 8},
    "counts": (10, 1000), "rounds": {peers.FAST: 3, peers.SLOW: 1}, "idle": (100, 20), "rounds_of_probes": (100, 50), "start_limit": 60, "kills_limit": 75, "total": 570,
}
QUICK = {
    "kills": {(peers.FAST, 10): 60, (peers.SLOW, 10): 5},
    "counts": (10,), "rounds": {peers.FAST: 1, peers.SLOW: 1}, "idle": (10, 5), "rounds_of_probes": (100, 20), "start_limit": 20, "kills_limit": 30, "total": 120,
}
SETTLE = 2.0
"""Seconds between the last service's start and a reading of memory: daemontools and runit sleep a second after a start, loggers flush."""
IDLE_SETTLE = 8.0
"""Seconds before the idle window: longer than the 5 s in which svscan and runsvdir look at their folder, so that no start is in the window."""


class Bench:
    def __init__(self, sizes, variants, programs, seed):
        self.sizes, self.variants, self.programs = sizes, variants, programs
        self.random = random.Random(seed)
        self.result = {"crash": [], "up": {}, "pss": {}, "idle": {}, "notes": []}
        self.ends = time.monotonic() + sizes["total"]
        shared = "/dev/shm" if os.access("/dev/shm", os.W_OK) else tempfile.gettempdir()
        self.remove_stale({shared, tempfile.gettempdir()})
        self.folders = [tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}.", dir=top) for top in (shared, tempfile.gettempdir())]

    @staticmethod
    def remove_stale(tops):
        """What a run that was killed with -9 left; its processes ended with it (keeper.c)."""
        for top in tops:
            for folder in glob.glob(os.path.join(top, PREFIX + "*")):
                pid = os.path.basename(folder)[len(PREFIX):].split(".")[0]
                if pid.isdigit() and not os.path.exists(f"/proc/{pid}") and os.stat(folder).st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)

    def left(self, seconds):
        return max(0.0, min(seconds, self.ends - time.monotonic()))

    def note(self, variant, count, text):
        entry = {"variant": variant.name, "services": count, "text": str(text)}
        if entry not in self.result["notes"]:
            self.result["notes"].append(entry)
        say(f"    {variant.name}: {text}")

    def paced(self, pace):
        return [variant for variant in self.variants if variant.pace == pace]

    def start(self, variant, count):
        """A running supervisor with all services up and the seconds that took; a failure is noted and gives None."""
        limit = self.left(self.sizes["start_limit"])
        if limit < 5:
            self.note(variant, count, "not measured: the time for the whole run is over")
            return None
        running = Running(variant, count, self.programs, self.folders)
        try:
            return running, running.wait_up(limit)
        except Failed as failed:
            self.note(variant, count, failed)
            running.stop()
            return None

    def alone(self, count):
        """One after the other, each alone on the machine, in a new random order each round: time to start all, memory.

        A SLOW one is kept for its kills, with a bare loop started beside it: to start it again would take long."""
        say(f"{count} services: start and memory, one supervisor at a time")
        failed = set()
        for turn in range(self.sizes["rounds"][peers.FAST]):
            order = [variant for variant in self.variants if turn < self.sizes["rounds"][variant.pace] and variant.name not in failed]
            self.random.shuffle(order)
            for variant in order:
                started = self.start(variant, count)
                if not started:
                    failed.add(variant.name)
                    continue
                running, took = started
                self.result["up"].setdefault(str(count), {}).setdefault(variant.name, []).append(took)
                if turn == 0:
                    time.sleep(SETTLE)
                    self.memory(running)
                if variant.pace == peers.SLOW:
                    self.crash_beside_bare(running)
                stop_all()

    def memory(self, running):
        try:
            running.check_alive()
            pids = running.supervisors()
        except Failed as failed:
            self.note(running.variant, running.count, failed)
            return
        entry = {"kib": tree.pss_kib(pids), "processes": len(pids)}
        self.result["pss"].setdefault(str(running.count), {})[running.variant.name] = entry

    def crash_beside_bare(self, running):
        bare = next((variant for variant in self.variants if variant.name == "bare"), None)
        beside = self.start(bare, running.count) if bare else None
        self.kills([running] + ([beside[0]] if beside else []), running.variant.pace)

    def crash(self, count):
        """The FAST ones all up at once, kills interleaved at random. The SLOW ones look at every service each second, which would
        show in the others' 99th percentile; each of them has a batch of its own with a bare loop in it (see `alone`)."""
        say(f"{count} services: kill -9, interleaved")
        up = [started[0] for variant in self.paced(peers.FAST) if (started := self.start(variant, count))]
        if up:
            self.kills(up, peers.FAST)
        stop_all()

    def kills(self, batch, pace):
        wanted, count = self.sizes["kills"][pace, batch[0].count], batch[0].count
        one = 5.0 if pace == peers.FAST else 20.0
        samples = {running.variant.name: [] for running in batch}
        missed = dict.fromkeys(samples, 0)
        todo = [running for running in batch for _ in range(wanted)]
        self.random.shuffle(todo)
        limit = time.monotonic() + self.left(self.sizes["kills_limit"])
        while todo and time.monotonic() < limit:
            # The next in the random order that has a service to kill; with ten services and many kills all may be too young.
            turn = next(((at, ripe) for at in range(min(len(todo), 40)) if (ripe := todo[at].ripe())), None)
            if turn is None:
                time.sleep(0.02)
                continue
            running = todo.pop(turn[0])
            # FAST: the one before has done its bookkeeping. SLOW: it has just restarted something, so without a pause over
            # its whole cycle each kill would come at the same moment of that cycle.
            time.sleep(self.random.uniform(0.002, 0.006 if running.variant.pace == peers.FAST else 1.002))
            try:
                took = running.kill(self.random.choice(turn[1]), one)
            except Failed as failed:
                self.note(running.variant, count, failed)
                todo = [other for other in todo if other is not running]
                continue
            if took is not None:
                samples[running.variant.name].append(took)
                continue
            missed[running.variant.name] += 1
            if missed[running.variant.name] >= 3:
                self.note(running.variant, count, f"3 services were not restarted within {one:.0f} s each; no more were killed")
                todo = [other for other in todo if other is not running]
        if todo:
            say(f"    {len(todo)} of {wanted * len(batch)} kills left out: the part's time is over")
        self.result["crash"].append({"services": count, "pace": pace, "ms": samples, "missed": missed})

    def idle(self):
        """All up at once, nothing happens: CPU time and wake-ups of each whole tree over one window."""
        count, seconds = self.sizes["idle"]
        say(f"{count} services: {seconds} s idle")
        up = [started[0] for variant in self.variants if (started := self.start(variant, count))]
        if up and self.left(seconds + IDLE_SETTLE) == seconds + IDLE_SETTLE:
            time.sleep(IDLE_SETTLE)
            watched = []
            for running in up:
                try:
                    running.check_alive()
                    watched.append((running, tree.effort(running.supervisors()), time.monotonic()))
                except Failed as failed:
                    self.note(running.variant, count, failed)
            time.sleep(seconds)
            for running, before, since in watched:
                after, window = tree.effort(running.supervisors()), time.monotonic() - since
                cpu, wakes = tree.spent(before, after)
                self.result["idle"][running.variant.name] = {"cpu_ms": cpu / 1e6, "wake_ups": wakes, "seconds": window, "services": count}
        stop_all()

    def probes(self):
        """Of the agent alone: rounds over many services, then an idle hour by the clock of its simulator."""
        probed, (count, wanted) = peers.Probed(), self.sizes["rounds_of_probes"]
        say(f"{count} services: {wanted} rounds of probes, and an hour of simulated time")
        if not (started := self.start(probed, count)):
            return
        try:
            self.result["probes"] = probing.rounds(started[0], wanted)
            self.result["hour"] = probing.hour(self.programs["mailward"], os.path.join(self.folders[0], "hour.txt"), count)
        except (Failed, OSError) as failed:
            self.note(probed, count, failed)
        stop_all()

    def everything(self):
        for count in self.sizes["counts"]:
            self.alone(count)
            if self.paced(peers.FAST):
                self.crash(count)
        self.idle()
        if any(variant.name == "mailward" for variant in self.variants):
            self.probes()

    def close(self):
        for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(ignored, signal.SIG_IGN)
        try:
            stop_all()
        finally:
            for folder in self.folders:
                shutil.rmtree(folder, ignore_errors=True)


def say(text):
    print(text, file=sys.stderr, flush=True)


def build(out, dynamic):
    """The three C programs. Service and keeper are static: they share no page with a supervisor whose memory is measured,
    and the service's own start, the same for all, is short beside the supervisor's part. `dynamic` asks for what most
    daemons are: the loader's work in each start draws the ratios towards 1, and libc's pages count for the services."""
    compiler, programs = os.environ.get("CC", "cc"), {}
    for name, flags in (("service", [] if dynamic else ["-static"]), ("keeper", ["-static"]), ("bare", [])):
        programs[name] = os.path.join(out, name)
        source = os.path.join(HERE, f"{name}.c")
        subprocess.run([compiler, "-O2", "-Wall", "-Wextra", *flags, "-o", programs[name], source], check=True)
    return programs


def out_of_the_cache(programs):
    """Has the programs read from the disk again. What was just written lies in the page cache in the large pieces it was written in, and
    a fault maps as much as one holds: half a megabyte more of the agent would count as resident than after a boot."""
    for path in filter(os.path.exists, programs.values()):
        with open(path, "rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def raise_limits(counts):
    """The same for all: as many open files as this user may have. Nothing is raised beyond the hard limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 20_000 if hard == resource.RLIM_INFINITY else min(hard, 20_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    if files < 5 * max(counts) + 100:
        say(f"open files: the hard limit of {hard} is low for {max(counts)} services")


def interrupted(number, _frame):
    raise KeyboardInterrupt(signal.Signals(number).name)


def arguments():
    names = [variant.name for variant in peers.ALL]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer kills, 10 services only: about a minute")
    parser.add_argument("--only", metavar="NAMES", help=f"some of {','.join(names)}; without bare there are no ratios")
    parser.add_argument("--dynamic", action="store_true", help="link the service dynamically (times nearer to a real daemon's, memory less exact)")
    parser.add_argument("--seed", type=int, default=None, help="of the random order (default: a new one, printed)")
    parser.add_argument("--mailward", default=os.path.join(ROOT, "target", "release", "mailward"), help="the binary to measure")
    parser.add_argument("--out", default=os.path.join(ROOT, "target", "bench"), help="where bench.md, bench.json and the C programs go")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else names
    if unknown := sorted(set(wanted) - set(names)):
        parser.error(f"unknown: {', '.join(unknown)}; known: {', '.join(names)}")
    given.variants = [variant for variant in peers.ALL if variant.name in wanted]
    given.seed = random.SystemRandom().randrange(1 << 32) if given.seed is None else given.seed
    return given


def main():
    given = arguments()
    os.makedirs(given.out, exist_ok=True)
    programs = {**build(given.out, given.dynamic), "mailward": os.path.abspath(given.mailward)}
    sizes = QUICK if given.quick else FULL
    absent = {variant.name: missing for variant in given.variants if (missing := variant.needs(programs))}
    for name, missing in absent.items():
        say(f"{name} is left out, not found: {', '.join(missing)}")
    variants = [variant for variant in given.variants if variant.name not in absent]
    if not variants:
        return 2
    out_of_the_cache(programs)
    raise_limits(sizes["counts"])
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    machine = report.machine(variants, given.seed, given.quick, given.dynamic)
    began, bench, stopped = time.monotonic(), Bench(sizes, variants, programs, given.seed), None
    try:
        bench.everything()
    except KeyboardInterrupt as stop:
        stopped = str(stop) or "SIGINT"
    finally:
        bench.close()
    if stopped:
        say(f"stopped by {stopped}; nothing was written")
        return 130
    machine["seconds"] = round(time.monotonic() - began)
    text = report.write(given.out, machine, bench.result, given.variants, absent, random.Random(given.seed))
    print(text)
    ours = {"bare", "mailward"}
    return 1 if ours & set(absent) or any(note["variant"] in ours for note in bench.result["notes"]) else 0


if __name__ == "__main__":
    sys.exit(main())
