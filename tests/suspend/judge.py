"""Judges what a machine said that was suspended and resumed (.ci/test-suspend): judge.py FILE SPAN.

Prints each sentence that holds; ends with 1 at the first one that does not, with what was there instead.
"""

import json
import re
import sys
from datetime import datetime


def seconds(text: str) -> int:
    return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp())


def holds(sentence: str, truth: bool, seen: object) -> None:
    if not truth:
        sys.exit(f"test-suspend: this does not hold: {sentence}\n  seen: {seen}")
    print(f"  {sentence}")


def main(path: str, span: int) -> None:
    with open(path, encoding="utf-8", errors="replace") as file:
        text = file.read().replace("\r", "")
    parts = re.split(r"^== (.*)\n", text, flags=re.MULTILINE)
    said = dict(zip(parts[1::2], parts[2::2]))
    if "end" not in said:
        sys.exit(f"test-suspend: the machine did not come to its end; it said:\n{text[-4000:]}")

    def clocks(section: str) -> tuple[float, float, float]:
        wall, boot, running = said[section].split("\n")[:3]
        return float(wall), float(boot.split()[0]), int(running) / 1e9

    (wall, boot, running), (wall_after, boot_after, running_after) = clocks("before"), clocks("after")
    slept = (boot_after - boot) - (running_after - running)
    holds("the kernel suspended to memory and resumed", said["kernel"].count("PM: suspend e") == 2, said["kernel"])
    holds(f"its clock stood still for most of {span} s while the time of day went on", slept > span - 10 and wall_after - wall >= span, slept)

    before, after = (json.loads(said[section])["status"] for section in ("status before", "status after"))
    services, services_after = (
        {one["name"]: one for one in status["instances"][0]["services"]} for status in (before, after)
    )
    for name, one in services.items():
        now = services_after[name]
        holds(f"{name} lives on: pid {one['pid']}", one["pid"] == now["pid"], now)
        holds(f"{name} is ready, and no restart was spent on it", now["ready"] == "True" and now["restartsInWindow"] == 0, now)
    conditions = {one["type"]: one["status"] for one in after["conditions"]}
    calm = {"Ready": "True", "Degraded": "False", "Stalled": "False"}
    holds("nothing is amiss", calm.items() <= conditions.items(), conditions)

    def history(name: str) -> list[str]:
        return [one["what"] for one in json.loads(said[f"history of {name}"])]

    for name in services:
        holds(f"{name} was started once", sum(line.startswith("started") for line in history(name)) == 1, history(name))
    grave = [line for name in services for line in history(name) if not re.match(r"started|ready", line)]
    holds("nothing else was told of a service than its start", not grave, grave)

    # What is due within the minute before it is asked is run, late; what is older is missed (R16).
    due = [seconds(found[1]) for line in history("every") if (found := re.search(r"began.*due (\S+)", line))]
    missed = [line for line in history("every") if "missed" in line]
    last = max(at for at in due if at <= wall)
    skipped = [at for at in range(last + 60, due[-1], 60) if at not in due]
    holds("no run was begun twice", len(due) == len(set(due)), due)
    holds("the runs of the time that was slept through were not replayed", all(wall_after - 60 <= at for at in due if at > last), due)
    holds(f"{len(skipped)} runs were missed, and that is told once", len(skipped) >= 1 and len(missed) == 1, (skipped, missed))
    ends = [int(seconds(stamp)) for stamp in re.findall(r"\d{4}-\d\d-\d\dT[\d:]+Z", missed[0])]
    holds("with the first and the last of them", {skipped[0], skipped[-1]} <= set(ends), missed[0])
    holds("from then on it runs minute by minute", due[-1] - due[-2] == 60 and due[-1] > wall_after, due)
    holds("a task that was not due was neither run nor missed", not history("seldom"), history("seldom"))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
