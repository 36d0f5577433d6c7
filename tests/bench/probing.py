"""A round of probes over many services, and an hour in which nothing happens, by the clock of a simulation.

Called by bench.py; of mailward only, for no peer has either.
"""

import http.client
import json
import os
import resource
import socket
import subprocess
import time

import tree
from running import Failed

ROUND_EVERY = 30
"""Seconds between two rounds of the simulated hour that has them: the period of every profile but Oracle's."""


class Agent(http.client.HTTPConnection):
    """The control socket of a running agent."""

    def __init__(self, path):
        super().__init__("mailward")
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(self.path)

    def round(self):
        self.request("POST", "/v1/probe", json.dumps({"services": []}), {"content-type": "application/json"})
        answer = self.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise Failed(f"a round of probes was refused: {answer.status} {body[:200]!r}")
        return json.loads(body)["services"]


def forks():
    """Processes and threads that began on this machine since it was started (proc_stat(5))."""
    with open("/proc/stat", encoding="utf-8") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("processes "))


def rounds(running, wanted):
    """Of each round over all services: wall time, CPU time of the agent, and how many processes and threads began
    meanwhile, the agent's or anybody's; the least of these is what a round needs."""
    agent = Agent(os.path.join(running.run, "runtime", "control.sock"))
    limit = time.monotonic() + 20
    while not all(service.get("health") == "Answers" for service in agent.round()):
        if time.monotonic() > limit:
            raise Failed("not every service answers its probe")
        time.sleep(0.1)
    pids, found = running.supervisors(), []
    for _ in range(wanted):
        before, born, since = tree.effort(pids), forks(), time.monotonic()
        services = agent.round()
        wall, born = time.monotonic() - since, forks() - born
        cpu, _ = tree.spent(before, tree.effort(pids))
        if len(services) != running.count:
            raise Failed(f"a round asked {len(services)} of {running.count} services")
        found.append({"wall_ms": wall * 1e3, "cpu_ms": cpu / 1e6, "forks": born})
    return {"services": running.count, "rounds": found}


def scenario(count, until, every):
    lines = ["document:", "  profile: Custom", "  services:"]
    lines += [f"    - {{name: s{index}, command: [x], listeners: [{{port: {1000 + index}, protocol: Smtp}}]}}" for index in range(count)]
    lines += ["timeline:", "  0s agent starts"]
    lines += [f"  {at}s round" for at in range(120, until, every)] if every else []
    lines += [f"  {until}s end", "expect:"]
    return "\n".join(lines) + "\n"


def play(program, path, text):
    """What it told, and its CPU time in milliseconds."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = subprocess.run([program, "simulate", path], capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if said.returncode:
        raise Failed(f"simulate ended with {said.returncode}: {said.stderr.strip()[:200]}")
    return said.stdout.splitlines(), (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1e3


def hour(program, path, count):
    """An hour after the start, without rounds and with one every 30 s: what the agent's planner did in it, and its cost
    beyond that of the start, the least of five plays."""
    found = {"services": count}
    for name, every in (("idle", 0), ("probed", ROUND_EVERY)):
        lines, cost = play(program, path, scenario(count, 120 + 3600, every))
        start = min(play(program, path, scenario(count, 120, 0))[1] for _ in range(5))
        cost = min([cost] + [play(program, path, scenario(count, 120 + 3600, every))[1] for _ in range(4)])
        if sum(": ready" in line for line in lines) != count:
            raise Failed("the simulated services did not become ready")
        told = [line for line in lines if line.strip()[:1].isdigit() and float(line.split()[0]) >= 120]
        found[name] = {"cpu_ms": max(0.0, cost - start), "told": len(told)}
    return found
