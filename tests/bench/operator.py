#!/usr/bin/env python3
"""The operator with 1, 100, 1,000 and 5,000 resources on a real API server: how fast, how large, how many calls.

    .ci/bench-operator [--counts 1,100,1000,5000] [--idle SECONDS] [--changes N] [--operator BINARY] [--out FILE]

Each number of resources has a control plane of its own (etcd, kube-apiserver; no controllers, no node). The operator is the
release binary with the account and the ClusterRole of the chart. What the StatefulSet controller and the agents would do is
done here by the same requests: a pod for each StatefulSet, and the status entry of its agent for each generation.
"""

import argparse
import base64
import http.client
import json
import os
import queue
import re
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True  # no __pycache__ in the source tree
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER = os.path.join(ROOT, ".ci/cluster")
SERVERS = "/apis/mailward.dev/v1alpha1/namespaces/default/messagingservers"
SETS = "/apis/apps/v1/namespaces/default/statefulsets"
PODS = "/api/v1/namespaces/default/pods"
SYSTEM, ACCOUNT = "mailward-system", "mailward-controller"
USER = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
APPLY, JSON = "application/apply-patch+yaml", "application/json"
WORKERS = 6
READ = ("get", "list", "watch")
LONGEST = 7200
"""Seconds that a watch may last, and say nothing: while everything is idle it does."""


class Failed(Exception):
    pass


class Api:
    """Requests of one thread over one connection that is kept."""

    def __init__(self, folder):
        text = open(os.path.join(folder, "kubeconfig")).read()
        of = lambda pattern: re.search(pattern, text).group(1)
        self.host, self.token = of(r'server: "https://([^"]+)"'), of(r'token: "([^"]+)"')
        ca = base64.b64decode(of(r'certificate-authority-data: "([^"]+)"')).decode()
        self.tls = ssl.create_default_context(cadata=ca)
        self.connection, self.used = None, 0.0

    def open(self, method, path, body=None, kind=JSON):
        # The server closes what was idle for long.
        if self.connection is None or time.monotonic() - self.used > 30:
            self.connection = http.client.HTTPSConnection(self.host, context=self.tls, timeout=LONGEST)
        headers = {"authorization": f"Bearer {self.token}", "content-type": kind}
        self.used = time.monotonic()
        self.connection.request(method, path, None if body is None else json.dumps(body), headers)
        return self.connection.getresponse()

    def ask(self, method, path, body=None, kind=JSON):
        answer = self.open(method, path, body, kind)
        text = answer.read()
        if answer.status >= 300:
            raise Failed(f"{method} {path}: {answer.status} {text[:300]}")
        return json.loads(text)

    def watch(self, path):
        """Every change from now on, what there is first."""
        answer = self.open("GET", f"{path}?watch=true&resourceVersion=0&timeoutSeconds={LONGEST}")
        for line in answer:
            yield json.loads(line)


class Place:
    """A control plane, the operator on it, and what answers for controllers and agents."""

    def __init__(self, operator):
        self.folder = os.path.join(tempfile.mkdtemp(prefix="mailward-bench-operator."), "plane")
        self.script("control-plane", "--audit")
        self.apply_chart("charts/mailward-crds", "-n", SYSTEM)
        self.api = Api(self.folder)
        self.api.ask("POST", "/api/v1/namespaces", {"metadata": {"name": SYSTEM}})
        self.apply_chart("charts/mailward", "-n", SYSTEM, "-s", "templates/access.yaml")
        self.wait("the resource is served", lambda: self.served())
        self.audit, self.read_to = os.path.join(self.folder, "log/audit.log"), 0
        self.jobs, self.failed, self.ready, self.lock = queue.Queue(), [], {}, threading.Condition()
        self.uids, self.answered = {}, {}
        self.operator, self.log = None, open(os.path.join(self.folder, "operator.log"), "w")
        self.environment = dict(os.environ, KUBECONFIG=self.own_configuration(), RUST_LOG="warn")
        self.command = [operator, "--agent-image=registry.example/agent:1", f"--lease-namespace={SYSTEM}", "--http=127.0.0.1:0"]

    def script(self, word, *words):
        ran = subprocess.run([CLUSTER, word, self.folder, *words], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if ran.returncode:
            raise Failed(f"{word} {words}: {ran.stderr}")
        return ran.stdout

    def apply_chart(self, chart, *words):
        text = self.script("helm", "template", "mailward", chart, "--kube-version", "1.34.0", *words)
        path = os.path.join(os.path.dirname(self.folder), "chart.yaml")
        with open(path, "w") as file:
            file.write(text)
        self.script("kubectl", "apply", "--server-side", "-f", path)

    def own_configuration(self):
        """A kubeconfig with the token of the operator's account."""
        token = self.script("kubectl", "create", "token", ACCOUNT, "-n", SYSTEM, "--duration=24h").strip()
        text = open(os.path.join(self.folder, "kubeconfig")).read()
        path = os.path.join(self.folder, "operator.kubeconfig")
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(re.sub(r'token: "[^"]+"', f'token: "{token}"', text))
        return path

    def served(self):
        try:
            return self.api.ask("GET", SERVERS) is not None
        except Failed:
            return False

    def wait(self, what, done, limit=60):
        end = time.monotonic() + limit
        while not done():
            if time.monotonic() > end:
                raise Failed(f"not in time: {what}")
            time.sleep(0.05)

    def begin(self):
        self.operator = subprocess.Popen(self.command, env=self.environment, stderr=self.log, stdin=subprocess.DEVNULL)
        for target in [self.follow_servers, self.follow_sets, *[self.work] * WORKERS]:
            threading.Thread(target=self.guarded, args=(target,), daemon=True).start()
        self.wait("the operator leads", lambda: self.calls("leases") != {})

    def end(self):
        if self.operator:
            self.operator.terminate()
            self.operator.wait()
        subprocess.run([CLUSTER, "down", self.folder], stdin=subprocess.DEVNULL, capture_output=True)
        subprocess.run(["rm", "-rf", os.path.dirname(self.folder)])

    def guarded(self, target):
        try:
            target()
        except Exception as error:  # told by whoever waits
            self.failed.append(f"{target.__name__}: {error!r}")

    # What controllers and agents do.

    def work(self):
        api = Api(self.folder)
        while True:
            job, of = self.jobs.get()
            job(api, *of)

    def follow_sets(self):
        for event in Api(self.folder).watch(SETS):
            if event["type"] == "ADDED":
                self.jobs.put((self.make_pod, (event["object"],)))

    def make_pod(self, api, stateful):
        template, name = stateful["spec"]["template"], stateful["metadata"]["name"]
        owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": name, "uid": stateful["metadata"]["uid"], "controller": True}
        spec = dict(template["spec"])
        claims = [volume["metadata"]["name"] for volume in stateful["spec"].get("volumeClaimTemplates", [])]
        spec["volumes"] = spec.get("volumes", []) + [{"name": claim, "emptyDir": {}} for claim in claims]
        metadata = dict(template["metadata"], name=f"{name}-0", ownerReferences=[owner])
        pod = api.ask("POST", PODS, {"metadata": metadata, "spec": spec})
        self.uids[name] = pod["metadata"]["uid"]
        generation = self.answered.get(name)
        if generation is not None:
            self.say(api, name, generation)

    def follow_servers(self):
        for event in Api(self.folder).watch(SERVERS):
            if event["type"] not in ("ADDED", "MODIFIED"):
                continue
            server = event["object"]
            name, generation = server["metadata"]["name"], server["metadata"]["generation"]
            if self.answered.get(name) != generation:
                self.answered[name] = generation
                if name in self.uids:
                    self.jobs.put((self.say, (name, generation)))
            status = server.get("status", {})
            is_ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
            if is_ready and status.get("observedGeneration") == generation:
                with self.lock:
                    if self.ready.get(name) != generation:
                        self.ready[name] = generation
                        self.lock.notify_all()

    def say(self, api, name, generation):
        """What the agent of a pod says once it has applied a generation and everything is ready."""
        condition = lambda kind, status, reason: {"type": kind, "status": status, "reason": reason, "message": "as the benchmark says"}
        service = {
            "name": "imap", "enabled": True, "held": False, "gaveUp": False, "ready": "True", "required": True,
            "restartsInWindow": 0, "reason": "ready", "settled": True,
        }
        entry = {
            "name": f"{name}-0", "podUID": self.uids[name], "agentPid": 1, "agentVersion": "0.1.0", "observedGeneration": generation,
            "services": [service], "conditions": [condition("Ready", "True", "AllReady"), condition("ConfigValid", "True", "Accepted")],
        }
        body = {"apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": name}, "status": {"instances": [entry]}}
        api.ask("PATCH", f"{SERVERS}/{name}/status?fieldManager=mailward-agent-{name}-0&force=true", body, APPLY)

    # What is asked of it all.

    def put(self, api, name, value):
        service = {
            "name": "imap", "command": ["/bin/imap"], "listeners": [{"port": 143, "protocol": "Imap"}],
            "environment": [{"name": "ROUND", "value": str(value)}],
        }
        body = {
            "apiVersion": "mailward.dev/v1alpha1", "kind": "MessagingServer", "metadata": {"name": name},
            "spec": {"profile": "Custom", "services": [service], "workload": {"image": "registry.example/mail:1"}},
        }
        return api.ask("PATCH", f"{SERVERS}/{name}?fieldManager=bench&force=true", body, APPLY)["metadata"]["generation"]

    def until_ready(self, done, limit):
        end = time.monotonic() + limit
        with self.lock:
            while not done():
                if self.failed or self.operator.poll() is not None:
                    raise Failed("; ".join(self.failed) or "the operator ended")
                if time.monotonic() > end:
                    raise Failed(f"{len(self.ready)} are ready, and no more came")
                self.lock.wait(0.5)

    def calls(self, only=None):
        """Requests of the operator since this was last asked, by kind; the lease apart."""
        counted = {}
        with open(self.audit) as file:
            file.seek(self.read_to)
            for line in file:
                if not line.endswith("\n"):
                    break
                self.read_to += len(line.encode())
                if USER not in line:
                    continue
                call = json.loads(line)
                what = call.get("objectRef", {}).get("resource")
                if call["user"]["username"] != USER or (only or what) != what or (only is None and what == "leases"):
                    continue
                sub = call["objectRef"].get("subresource") if what else None
                key = f'{call["verb"]} {what}{"/" + sub if sub else ""}'
                counted[key] = counted.get(key, 0) + 1
        return counted

    def cpu(self):
        fields = open(f"/proc/{self.operator.pid}/stat").read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, field):
        text = open(f"/proc/{self.operator.pid}/status").read()
        return int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) / 1024


def writes(calls):
    return sum(count for call, count in calls.items() if call.split()[0] not in READ)


def measure(count, arguments):
    place = Place(arguments.operator)
    try:
        place.begin()
        place.wait("its watches are open", lambda: place.memory("VmRSS") > 0)
        time.sleep(1)
        place.calls()
        result = {"resources": count, "memory_before": place.memory("VmRSS")}
        cpu, begin, names = place.cpu(), time.monotonic(), [f"mail-{at:04}" for at in range(count)]
        created = threading.Semaphore(0)

        def create(api, name):
            place.put(api, name, 0)
            created.release()

        for name in names:
            place.jobs.put((create, (name,)))
        for _ in names:
            created.acquire()
        result["created"] = time.monotonic() - begin
        place.until_ready(lambda: len(place.ready) == count, 120 + count)
        result["converged"], result["cpu"] = time.monotonic() - begin, place.cpu() - cpu
        time.sleep(2)
        result["calls"] = place.calls()
        result["memory"], result["memory_peak"] = place.memory("VmRSS"), place.memory("VmHWM")

        cpu = place.cpu()
        time.sleep(arguments.idle)
        result["idle"], result["idle_cpu"] = place.calls(), place.cpu() - cpu

        times, cpu, api = [], place.cpu(), Api(place.folder)
        for at in range(arguments.changes):
            name, begin = names[at * len(names) // arguments.changes], time.monotonic()
            generation = place.put(api, name, at + 1)
            place.until_ready(lambda: place.ready.get(name) == generation, 60)
            times.append(time.monotonic() - begin)
        time.sleep(1)
        result["change_cpu"] = (place.cpu() - cpu) / arguments.changes
        result["change"], result["change_calls"] = statistics.median(times), place.calls()
        return result
    finally:
        place.end()


def table(results, arguments):
    head = "| resources | created | all ready | CPU | memory (peak) | calls a resource | writes idle | a change: time, calls, CPU |"
    lines = [head, "| --: | --: | --: | --: | --: | --: | --: | --: |"]
    for it in results:
        calls, count, changes = sum(it["calls"].values()), it["resources"], arguments.changes
        each = sum(it["change_calls"].values()) / changes
        lines.append(
            f"| {count:,} | {it['created']:.1f} s | {it['converged']:.1f} s | {it['cpu']:.2f} s | {it['memory']:.0f} MB ({it['memory_peak']:.0f})"
            f" | {calls / count:.1f} | {writes(it['idle'])} | {it['change'] * 1000:.0f} ms, {each:.1f}, {it['change_cpu'] * 1000:.1f} ms |"
        )
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", default="1,100,1000,5000", type=lambda text: [int(count) for count in text.split(",")])
    parser.add_argument("--idle", default=600, type=float, help="seconds in which nothing may be written (default: 600)")
    parser.add_argument("--changes", default=20, type=int, help="changes of one resource at a time (default: 20)")
    parser.add_argument("--operator", default=os.path.join(ROOT, "target/release/mailward-controller"))
    parser.add_argument("--out", help="where the raw numbers go, as JSON")
    arguments = parser.parse_args()
    results = []
    for count in arguments.counts:
        results.append(measure(count, arguments))
        print(f"{count}: {json.dumps(results[-1])}", file=sys.stderr, flush=True)
    print(table(results, arguments))
    if arguments.out:
        with open(arguments.out, "w") as file:
            json.dump(results, file, indent=1)
    if any(writes(it["idle"]) for it in results):
        sys.exit("something was written while nothing happened")


if __name__ == "__main__":
    try:
        main()
    except Failed as why:
        sys.exit(f"bench: {why}")
