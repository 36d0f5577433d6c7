"""One supervisor at work: started below a keeper, watched through the stamps its services leave, killed at, stopped.

Touches processes and folders of its own only. Called by bench.py.
"""

import mmap
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import time

import peers
import tree

HEADER, SLOT = 128, struct.Struct("=QII")  # as service.c has them
UP_BEFORE_KILL_NS = 1_100_000_000
"""s6, runit and daemontools start one service at most once a second; whoever was up for longer is restarted without that delay, with every peer alike."""


class Failed(Exception):
    """The supervisor did not do what the part needs; the text is for the table's notes."""


class Running:
    serial = 0
    live = []

    def __init__(self, variant, count, programs, folders):
        Running.serial += 1
        self.variant, self.count = variant, count
        self.run, self.disk = (os.path.join(top, f"{Running.serial}-{variant.name}-{count}") for top in folders)
        os.makedirs(self.run)
        os.makedirs(self.disk)
        place = peers.Place(self.run, self.disk, programs, count)
        name = f"mailward-bench-{os.getpid()}-{Running.serial}"
        with open(place.stamps, "wb") as file:
            file.write(name.encode().ljust(HEADER, b"\0") + bytes(SLOT.size * count))
        with open(place.stamps, "rb") as file:
            self.stamps = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket.bind("\0" + name)
        self.waiting = select.poll()
        self.waiting.register(self.socket, select.POLLIN)
        self.keeper = None
        self.cgroups, self.cgroups_before = set(), tree.all_cgroup_folders() if variant.name == "mailward" else set()
        command = variant.command(place)
        self.errors = os.path.join(self.disk, "stderr")
        Running.live.append(self)
        with open(self.errors, "wb") as errors:
            self.started = time.monotonic_ns()
            self.keeper = subprocess.Popen(
                [programs["keeper"], str(variant.grace), *command],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, cwd=self.run, start_new_session=True,
            )

    def slot(self, index):
        """(time of the last start, pid, index); pid 0 before the first."""
        return SLOT.unpack_from(self.stamps, HEADER + SLOT.size * index)

    def pids(self):
        return [pid for pid in (self.slot(index)[1] for index in range(self.count)) if pid]

    def check_alive(self):
        if self.keeper.poll() is not None:
            with open(self.errors, encoding="utf-8", errors="replace") as file:
                said = " / ".join(file.read().strip().splitlines()[-3:])[:300]
            raise Failed(f"ended by itself with {self.keeper.returncode}: {said or 'nothing on stderr'}")

    def wait_up(self, seconds):
        """Seconds from the start to the last service's first line of main."""
        limit, up = time.monotonic() + seconds, 0
        while True:
            while up < self.count and self.slot(up)[1]:
                up += 1
            if up == self.count:
                break
            self.check_alive()
            if time.monotonic() > limit:
                started = sum(1 for index in range(self.count) if self.slot(index)[1])
                raise Failed(f"{started} of {self.count} services up after {seconds:.0f} s")
            time.sleep(0.01)
        took = (max(self.slot(index)[0] for index in range(self.count)) - self.started) / 1e9
        if self.variant.name == "mailward":
            self.cgroups = tree.cgroup_folders(self.pids() + self.supervisors())
        return took

    def supervisors(self):
        found = tree.supervisors(self.keeper.pid, self.pids())
        if not found:
            raise Failed("no supervisor found below its keeper")
        return found

    def ripe(self):
        """The services that may be killed now."""
        latest = time.monotonic_ns() - UP_BEFORE_KILL_NS
        return [index for index in range(self.count) if 0 < self.slot(index)[0] <= latest]

    def kill(self, index, seconds):
        """kill -9 of one service; milliseconds until its replacement runs, None when none did in time."""
        self.drain()
        _, pid, _ = self.slot(index)
        limit = time.monotonic() + seconds
        killed = time.monotonic_ns()
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            self.check_alive()
            raise Failed(f"service {index} was gone before its kill") from None
        while (left := limit - time.monotonic()) > 0:
            if self.waiting.poll(left * 1000):
                for at, new, which in self.received():
                    if which == index and new != pid:
                        return (at - killed) / 1e6
        self.check_alive()
        return None

    def drain(self):
        for _ in self.received():
            pass

    def received(self):
        while True:
            try:
                yield SLOT.unpack(self.socket.recv(SLOT.size))
            except BlockingIOError:
                return

    def ask_to_stop(self):
        if self.keeper and self.keeper.poll() is None:
            self.keeper.send_signal(signal.SIGTERM)

    def stop(self):
        """Everything below the keeper is gone when this returns, and so are the folders."""
        self.ask_to_stop()
        try:
            if self.keeper:
                self.keeper.wait(self.variant.grace + 30)
        finally:
            if self in Running.live:
                Running.live.remove(self)
            tree.remove_cgroups(self.cgroups, self.cgroups_before)
            self.socket.close()
            self.stamps.close()
            for folder in (self.run, self.disk):
                shutil.rmtree(folder, ignore_errors=True)


def stop_all(some=None):
    """All at once, so that the slow ones wait beside each other."""
    some = list(Running.live if some is None else some)
    for running in some:
        running.ask_to_stop()
    for running in some:
        running.stop()
