"""What is compared: how each supervisor is set up, and why so.

Each gets the same service program, folders of its own, /dev/null as output and the same limits. Each gets its best
realistic configuration: the one its documentation or its users would recommend where a fast restart is what counts.
Called by bench.py; touches only the folders it is given.
"""

import json
import os
import shutil
import socket
import time

FAST, SLOW = "fast", "slow"


class Place:
    """Where one run of one supervisor lives. `run` is on tmpfs where there is one, as /run is; `disk` is not, as /var is not."""

    def __init__(self, run, disk, programs, count):
        self.run, self.disk, self.programs, self.count = run, disk, programs, count
        self.stamps = os.path.join(run, "stamps")
        self.service = programs["service"]

    def write(self, path, text, mode=0o644):
        with open(path, "w", encoding="utf-8", opener=lambda p, f: os.open(p, f, mode)) as file:
            file.write(text)
        return path

    def service_folders(self):
        """services/INDEX/run for the daemontools family. `run` is a link to the program: a run script would put the start
        of a shell into each restart, which is no property of the supervisor."""
        top = os.path.join(self.run, "services")
        for index in range(self.count):
            folder = os.path.join(top, str(index))
            os.makedirs(folder)
            os.symlink(self.service, os.path.join(folder, "run"))
        old = time.time() - 3600  # as on any host but a benchmark's: runsvdir waits a second when the folder is from this very second
        os.utime(top, (old, old))
        return top


class Variant:
    """name; needs: the programs that must be found; pace: FAST restarts at once, SLOW looks once a second; grace: seconds
    between TERM and KILL at the end (0: nothing to put in order, KILL at once); packages: whose versions to report."""

    pace, grace, packages = FAST, 0, ()

    def needs(self, programs):
        return [program for program in self.commands if not shutil.which(program)]

    def command(self, place):
        raise NotImplementedError


class Bare(Variant):
    name, commands = "bare", ()
    title = "bare loop in C"

    def command(self, place):
        return [place.programs["bare"], str(place.count), place.service, place.stamps]


class Mailward(Variant):
    """Services with a name and a command and nothing else, so every default holds: output captured into files, session,
    cgroup where it may, marks in the runtime folder. The budget is set out of the way of the kills."""

    name, commands, grace = "mailward", (), 20
    title = "mailward"

    def needs(self, programs):
        return [] if os.access(programs["mailward"], os.X_OK) else [programs["mailward"]]

    def command(self, place):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        quoted = json.dumps
        lines = [
            "apiVersion: mailward.dev/v1alpha1",
            "kind: MessagingServer",
            "metadata: {name: bench}",
            "spec:",
            "  profile: Custom",
            f"  dataRoot: {quoted(os.path.join(place.disk, 'data'))}",
            f"  watcher: {{port: {port}}}",
            "  autorestart: {enabled: true, maxRestarts: 100, timeout: 1s}",
            "  logs: {output: File}",
            "  services:",
        ]
        lines += [f"    - {{name: s{index}, {self.service(place, index)}}}" for index in range(place.count)]
        for folder in (os.path.join(place.run, "runtime"), *(os.path.join(place.disk, name) for name in ("etc", "state", "data"))):
            os.makedirs(folder, mode=0o700)
        # In a folder of its own, as /etc/mailward is: the agent watches all of it.
        config = place.write(os.path.join(place.disk, "etc", "bench.yaml"), "\n".join(lines) + "\n")
        state, runtime = os.path.join(place.disk, "state"), os.path.join(place.run, "runtime")
        return [place.programs["mailward"], "run", "--config", config, "--state-dir", state, "--runtime-dir", runtime]

    def service(self, place, index):
        return f"command: {json.dumps([place.service, place.stamps, str(index)])}"


class Probed(Mailward):
    """The same, and each service listens. Rounds come when they are asked for."""

    def service(self, place, index):
        at = os.path.join(place.run, f"{index}.sock")
        command = json.dumps([place.service, place.stamps, str(index), "-l", at])
        return f"command: {command}, listeners: [{{socket: {json.dumps(at)}, protocol: Smtp}}], probes: {{period: 1h}}"


class Runit(Variant):
    """One runsvdir, a runsv for each service, as Debian's runsvdir-start does it. No log service: output is /dev/null."""

    name, commands, packages = "runit", ("runsvdir", "runsv"), ("runit",)
    title = "runit"

    def command(self, place):
        return ["runsvdir", "-P", place.service_folders()]


class S6(Variant):
    """One s6-svscan, an s6-supervise for each service. The limit of 500 services is raised; no rescan by time (the default).
    The service tells that it is ready (notification-fd): s6-supervise restarts at once only what had been ready for a
    second, all else it lets wait 1 s after each end, which would be the measured time."""

    name, commands, packages = "s6", ("s6-svscan", "s6-supervise"), ("s6",)
    title = "s6"

    def command(self, place):
        top = place.service_folders()
        for index in range(place.count):
            place.write(os.path.join(top, str(index), "notification-fd"), "3\n")
        return ["s6-svscan", "-c", str(place.count + 10), "-t", "0", top]


class Daemontools(Variant):
    """One svscan, a supervise for each service. It takes 1,000 services at most and looks for new ones every 5 s (both built in)."""

    name, commands, packages = "daemontools", ("svscan", "supervise"), ("daemontools",)
    title = "daemontools"

    def command(self, place):
        return ["svscan", place.service_folders()]


class Monit(Variant):
    """A cycle of 1 s, the shortest it takes (Debian ships 120 s), so its restarts are as fast and its idle cost as high
    as they get. `if not exist then start`: a plain restart would first look for a stop program. It supervises daemons by
    pid file, so the service detaches. The control socket is on: without it its command line does not work."""

    name, commands, pace, packages = "monit", ("monit",), SLOW, ("monit",)
    title = "monit (1 s cycle)"

    def command(self, place):
        run = place.run
        lines = [
            "set daemon 1",
            f'set logfile "{place.disk}/monit.log"',
            f'set pidfile "{run}/monit.pid"',
            f'set idfile "{place.disk}/monit.id"',
            f'set statefile "{place.disk}/monit.state"',
            f'set httpd unixsocket "{run}/monit.sock" allow bench:bench',
        ]
        os.makedirs(os.path.join(run, "pids"))
        for index in range(place.count):
            pidfile = f"{run}/pids/{index}"
            lines.append(f'check process s{index} with pidfile "{pidfile}"')
            lines.append(f'  start program = "{place.service} {place.stamps} {index} {pidfile}"')
            lines.append("  if not exist then start")
        config = place.write(os.path.join(place.disk, "monitrc"), "\n".join(lines) + "\n", 0o600)
        return ["monit", "-I", "-c", config]


class Supervisord(Variant):
    """startsecs=0: with the default of 1 a service killed before the next look at the clock counts as failed to start
    and waits a second longer; people who want fast restarts set 0. minfds: the four files it holds for each service and
    some; it also closes that many one by one in each child, so it is not larger than needed. The control socket is on."""

    name, commands, pace, packages = "supervisord", ("supervisord",), SLOW, ("supervisor",)
    title = "supervisord"

    def command(self, place):
        lines = [
            "[supervisord]",
            "nodaemon=true",
            f"logfile={place.disk}/supervisord.log",
            f"pidfile={place.run}/supervisord.pid",
            f"childlogdir={place.disk}",
            f"minfds={max(256, 5 * place.count)}",
            f"minprocs={place.count + 100}",
            *(["user=root"] if os.getuid() == 0 else []),
            "[unix_http_server]",
            f"file={place.run}/supervisor.sock",
            "[rpcinterface:supervisor]",
            "supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface",
        ]
        for index in range(place.count):
            lines.append(f"[program:s{index}]")
            lines.append(f"command={place.service} {place.stamps} {index}")
            lines.append("autorestart=true\nstartsecs=0\nredirect_stderr=true\nstdout_logfile=/dev/null\nstdout_logfile_maxbytes=0")
        config = place.write(os.path.join(place.disk, "supervisord.conf"), "\n".join(lines) + "\n")
        return ["supervisord", "-n", "-c", config]


ALL = (Bare(), Mailward(), Runit(), S6(), Daemontools(), Monit(), Supervisord())
