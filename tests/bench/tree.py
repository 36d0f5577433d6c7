"""What the kernel says about a supervisor's processes. Reads /proc only."""

import os


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:  # it ended meanwhile
        return ""


def parents():
    """pid -> parent's pid, of every process but zombies, whose memory and threads are gone."""
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            state, _, rest = _read(f"/proc/{entry}/stat").rpartition(")")[2].strip().partition(" ")
            if rest and state not in "ZX":
                found[int(entry)] = int(rest.split(" ", 1)[0])
    return found


def supervisors(keeper, services):
    """The descendants of `keeper` that are neither a service nor below one: the supervisor's whole tree."""
    children = {}
    for pid, parent in parents().items():
        children.setdefault(parent, []).append(pid)
    found, todo, services = [], list(children.get(keeper, ())), set(services)
    while todo:
        pid = todo.pop()
        if pid not in services:
            found.append(pid)
            todo.extend(children.get(pid, ()))
    return found


def pss_kib(pids):
    """Proportional set size, KiB: a page that n processes share counts 1/n for each."""
    total = 0
    for pid in pids:
        for line in _read(f"/proc/{pid}/smaps_rollup").splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total


def effort(pids):
    """Of each thread: CPU time in nanoseconds (schedstat; clock ticks where the kernel has none) and wake-ups, that is voluntary context switches."""
    tick = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
    found = {}
    for pid in pids:
        try:
            tasks = os.listdir(f"/proc/{pid}/task")
        except OSError:
            continue
        for task in tasks:
            folder = f"/proc/{pid}/task/{task}"
            schedstat = _read(f"{folder}/schedstat").split()
            if schedstat:
                cpu = int(schedstat[0])
            else:
                fields = _read(f"{folder}/stat").rpartition(")")[2].split()
                cpu = (int(fields[11]) + int(fields[12])) * tick if fields else 0
            for line in _read(f"{folder}/status").splitlines():
                if line.startswith("voluntary_ctxt_switches:"):
                    found[int(task)] = (cpu, int(line.split()[1]))
    return found


def spent(before, after):
    """CPU nanoseconds and wake-ups between two readings of `effort`. A thread that is new counts from zero, one that left not at all."""
    cpu = sum(now[0] - before.get(task, (0, 0))[0] for task, now in after.items())
    return cpu, sum(now[1] - before.get(task, (0, 0))[1] for task, now in after.items())


def cgroup2():
    """(mount point of cgroup v2, this process's path in it), or None."""
    for line in _read("/proc/self/mountinfo").splitlines():
        left, _, right = line.partition(" - ")
        if right.startswith("cgroup2 "):
            return left.split()[4], _cgroup("self")
    return None


def _cgroup(pid):
    for line in _read(f"/proc/{pid}/cgroup").splitlines():
        if line.startswith("0::"):
            return line[3:].removesuffix(" (deleted)")
    return "/"


def cgroup_folders(pids):
    """The cgroup v2 folders of these processes, where they are others than this process's own."""
    home = cgroup2()
    if not home:
        return set()
    mount, own = home
    return {mount + path for path in {_cgroup(pid) for pid in pids} if path != own}


def all_cgroup_folders():
    home = cgroup2()
    return {path for path, _, _ in os.walk(home[0])} if home else set()


def remove_cgroups(used, before):
    """Removes what a killed supervisor left: the folders in `used` and those above them that were not there `before`."""
    for path in sorted(used, key=len, reverse=True):
        while path not in before and len(path) > 1:
            try:
                os.rmdir(path)
            except FileNotFoundError:
                pass
            except OSError:
                break
            path = os.path.dirname(path)
