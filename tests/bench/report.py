"""From raw numbers to the table: percentiles, ratios with their uncertainty, Markdown and JSON. Starts nothing but dpkg-query."""

import datetime
import json
import math
import os
import statistics
import subprocess

RESAMPLES = 400


def machine(variants, seed, quick, dynamic):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = next((line.partition(":")[2].strip() for line in file if line.startswith("model name")), os.uname().machine)
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = int(file.readline().split()[1]) // 1024
    packages = [package for variant in variants for package in variant.packages]
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "kernel": os.uname().release, "cpu": cpu, "cores": os.cpu_count(), "memory_mib": memory,
        "load_before": os.getloadavg()[0], "seed": seed, "quick": quick, "dynamic": dynamic, "versions": {package: version(package) for package in packages},
    }


def version(package):
    try:
        asked = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "?"
    return asked.stdout or "?"


def percentile(values, part):
    """Nearest rank: a value that was measured, never one in between."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)]


def compared(values, base, random):
    """p50, p99 and how p50 compares with the bare loop's of the same batch: ratio and its 95 % interval by resampling."""
    found = {"kills": len(values), "p50": statistics.median(values), "p99": percentile(values, 0.99)}
    if base:
        found["ratio"] = statistics.median(values) / statistics.median(base)
        drawn = sorted(
            statistics.median(random.choices(values, k=len(values))) / statistics.median(random.choices(base, k=len(base)))
            for _ in range(RESAMPLES)
        )
        found["ratio_95"] = [drawn[RESAMPLES // 40], drawn[-RESAMPLES // 40 - 1]]
    return found


def crashes(result, random):
    """(services, variant) -> compared. The bare loop's own row is that of the batch with the fast ones."""
    found = {}
    for batch in sorted(result["crash"], key=lambda batch: batch["pace"] != "fast"):
        base = batch["ms"].get("bare", [])
        for name, values in batch["ms"].items():
            if values and (batch["services"], name) not in found:
                found[batch["services"], name] = compared(values, base, random)
    return found


def number(value, digits=2):
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.{digits}f}"


def times(value):
    return "-" if value is None else f"{value:,.0f}x" if value >= 10 else f"{value:.2f}x"


def row(cells):
    return "| " + " | ".join(cells) + " |"


def crash_table(result, measured, variants, counts):
    head, rule = ["crash to restarted"], ["---"]
    for count in counts:
        head += [f"{count:,}: p50 ms", "p99 ms", "p50 to bare (95 %)", "kills"]
        rule += ["--:"] * 4
    lines = [row(head), row(rule)]
    for variant in variants:
        cells = [variant.title]
        for count in counts:
            entry = measured.get((count, variant.name))
            if entry is None:
                cells += ["-"] * 4
                continue
            low_high = entry.get("ratio_95")
            ratio = times(entry.get("ratio"))
            if low_high and variant.name != "bare":
                ratio += f" ({'-'.join(times(end).rstrip('x') for end in low_high)})"
            missed = sum(batch["missed"].get(variant.name, 0) for batch in result["crash"] if batch["services"] == count)
            cells += [number(entry["p50"]), number(entry["p99"]), ratio, f"{entry['kills']}" + (f" + {missed} never" if missed else "")]
        lines.append(row(cells))
    return lines


def cost_table(result, variants, counts):
    idle = next(iter(result["idle"].values()), None)
    top = max(counts)
    head = ["cost", f"{top:,} up, s", "to bare"]
    head += [f"idle CPU, ms in {idle['seconds']:.0f} s" if idle else "idle CPU", f"idle wake-ups ({idle['services']} services)" if idle else "idle wake-ups"]
    head += [f"PSS KiB at {count:,}" for count in counts] + (["bytes a service"] if len(counts) > 1 else []) + ["processes"]
    lines = [row(head), row(["---"] + ["--:"] * (len(head) - 1))]
    up = {name: statistics.median(values) for name, values in result["up"].get(str(top), {}).items()}
    for variant in variants:
        name = variant.name
        took, quiet = up.get(name), result["idle"].get(name)
        pss = [result["pss"].get(str(count), {}).get(name) for count in counts]
        cells = [variant.title, number(took), times(took / up["bare"] if took and "bare" in up else None)]
        cells += [number(quiet["cpu_ms"], 1), f"{quiet['wake_ups']:,}"] if quiet else ["-", "-"]
        cells += [f"{entry['kib']:,}" if entry else "-" for entry in pss]
        if len(counts) > 1:
            each = (pss[-1]["kib"] - pss[0]["kib"]) * 1024 / (counts[-1] - counts[0]) if all(pss) else None
            cells.append("-" if each is None else f"{each:,.0f}")
        cells.append(" / ".join(f"{entry['processes']:,}" if entry else "-" for entry in pss))
        lines.append(row(cells))
    return lines


def probe_table(result):
    """What only mailward does: rounds of probes, and what an hour costs its planner."""
    lines, probes, hour = [], result.get("probes"), result.get("hour")
    if probes:
        wall, cpu = ([one[kind] for one in probes["rounds"]] for kind in ("wall_ms", "cpu_ms"))
        head = [f"a round of probes over {probes['services']} services", "wall ms p50", "p99", "agent's CPU ms p50", "forks"]
        cells = [f"{len(wall)} rounds", number(statistics.median(wall), 1), number(percentile(wall, 0.99), 1)]
        cells += [number(statistics.median(cpu), 1), str(min(one["forks"] for one in probes["rounds"]))]
        lines += ["", row(head), row(["---"] + ["--:"] * 4), row(cells)]
    if hour:
        head = [f"an hour of simulated time, {hour['services']} services", "planner's CPU ms", "steps and wake-ups told"]
        lines += ["", row(head), row(["---", "--:", "--:"])]
        for name, title in (("idle", "nothing happens"), ("probed", "a round every 30 s, all answer")):
            lines.append(row([title, number(hour[name]["cpu_ms"], 1), f"{hour[name]['told']:,}"]))
    return lines


def goals(result, measured, counts):
    """What DESIGN.md section 8 wants of mailward, each with what was seen. A ratio above 1 whose interval holds 1
    is neither: the run cannot tell the two apart."""
    lines, top = [], max(counts)

    def goal(text, seen, held, undecided=False):
        lines.append(f"- {'held' if held else 'undecided' if undecided else 'MISSED'}: {text}: {seen}")

    for count in counts:
        entry = measured.get((count, "mailward"))
        if entry and "ratio" in entry:
            low, high = entry["ratio_95"]
            seen = f"{entry['ratio']:.2f}x, 95 % {low:.2f} to {high:.2f}"
            goal(f"not slower than the bare loop at p50 with {count:,}", seen, entry["ratio"] <= 1, low <= 1)
    up = {name: statistics.median(values) for name, values in result["up"].get(str(top), {}).items()}
    if top == 1000 and "mailward" in up and "bare" in up:
        goal("1,000 started no slower than by the bare loop", f"{up['mailward'] / up['bare']:.2f}x", up["mailward"] <= up["bare"])
    quiet = result["idle"].get("mailward")
    if quiet:
        goal("no idle wake-ups", f"{quiet['wake_ups']} in {quiet['seconds']:.0f} s", quiet["wake_ups"] == 0)
    if probes := result.get("probes"):
        forked = min(one["forks"] for one in probes["rounds"])
        goal("a round of probes forks nothing", f"{forked} processes or threads began", forked == 0)
    if hour := result.get("hour"):
        goal("no step and no wake-up in an idle hour", f"{hour['idle']['told']} in simulated time", hour["idle"]["told"] == 0)
    small, large = (result["pss"].get(str(count), {}).get("mailward") for count in (10, 1000))
    if small:
        goal("PSS under 3 MB at 10", f"{small['kib']:,} KiB", small["kib"] * 1024 < 3_000_000)
        runit = result["pss"].get("10", {}).get("runit")
        if runit:
            goal("PSS at 10 under runit's whole tree", f"{small['kib']:,} to {runit['kib']:,} KiB", small["kib"] < runit["kib"])
    if small and large:
        each = (large["kib"] - small["kib"]) * 1024 / 990
        goal("PSS under 3 KB a service", f"{each:,.0f} bytes", each < 3000)
    return lines


def write(out, facts, result, variants, absent, random):
    counts = sorted({batch["services"] for batch in result["crash"]} | {int(count) for count in result["pss"]}) or [10]
    measured = crashes(result, random)
    versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
    lines = [
        f"Measured {facts['date']}: Linux {facts['kernel']}, {facts['cores']} x {facts['cpu']}, {facts['memory_mib']:,} MiB; "
        f"load before {facts['load_before']:.2f}; seed {facts['seed']}{', quick' if facts['quick'] else ''}{', service linked dynamically' if facts['dynamic'] else ''}, {facts['seconds']} s.",
        f"Debian packages: {versions or 'none'}. Command: `.ci/bench`.",
        "",
    ]
    lines += crash_table(result, measured, variants, counts) + [""] + cost_table(result, variants, counts)
    lines += probe_table(result)
    if held := goals(result, measured, counts):
        lines += ["", *held]
    notes = [f"- {name} was left out: not found: {', '.join(missing)}" for name, missing in absent.items()]
    notes += [f"- {note['variant']}, {note['services']:,} services: {note['text']}" for note in result["notes"]]
    if facts["load_before"] > 0.5:
        notes.append("- The machine was busy before the run began: read the ratios, and not closely.")
    if notes:
        lines += ["", "Notes:", *notes]
    text = "\n".join(lines)
    summary = [{"services": count, "variant": name, **entry} for (count, name), entry in measured.items()]
    with open(os.path.join(out, "bench.json"), "w", encoding="utf-8") as file:
        json.dump({"machine": facts, "crash_to_restarted_ms": summary, "absent": absent, "raw": result}, file, indent=1)
        file.write("\n")
    with open(os.path.join(out, "bench.md"), "w", encoding="utf-8") as file:
        file.write(text + "\n")
    return text
