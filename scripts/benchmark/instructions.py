"""Counts the instructions of each stage with callgrind, of Debian's valgrind, and compares them with the baseline.

The clock of a shared machine says nothing about a few percent; the number of instructions does, and is nearly the same
on every x86_64 machine with the same compiler.
"""
import json
import os
import platform
import re
import subprocess
import sys

from benchmark.candidates import TOP, find
from benchmark.tables import table

BASELINE = os.path.join(TOP, "benches", "instructions.json")
# Hash maps are seeded by chance.
WORTH_A_LOOK = 0.02


def build():
    """The benchmark program of criterion."""
    command = ["cargo", "bench", "--locked", "--profile", "benchmark", "--bench", "stages", "--no-run",
               "--message-format", "json"]
    built = subprocess.run(command, cwd=TOP, stdout=subprocess.PIPE, text=True, check=True)
    messages = [json.loads(line) for line in built.stdout.splitlines()]
    own = [it for it in messages if it.get("target", {}).get("name") == "stages"]
    return next(it["executable"] for it in own if it.get("executable"))


def count(program, stage):
    """Instructions of one pass through a stage: what is inside of `measured`."""
    # Criterion takes the name as a pattern.
    command = [find("valgrind"), "--tool=callgrind", "--callgrind-out-file=/dev/null", "--collect-atstart=no",
               "--toggle-collect=*measured*", program, "--bench", "--test", "^%s$" % stage]
    result = subprocess.run(command, capture_output=True, text=True)
    # Criterion starts other programs, which do nothing of interest.
    most = max(map(int, re.findall(r"Collected : (\d+)", result.stderr)), default=0)
    if result.returncode or not most:
        sys.exit("nothing was counted for %s:\n%s" % (stage, result.stderr))
    return most


def run(keeps):
    program = build()
    listed = subprocess.run([program, "--bench", "--list"], capture_output=True, text=True, check=True).stdout
    stages = [line.split(": ")[0] for line in listed.splitlines() if line.endswith(": benchmark")]
    counts = {stage: count(program, stage) for stage in stages}
    version = subprocess.run(["rustc", "--version"], cwd=TOP, capture_output=True, text=True, check=True)
    compiler = version.stdout.strip()
    if keeps:
        with open(BASELINE, "w") as file:
            kept = {"architecture": platform.machine(), "compiler": compiler, "instructions": counts}
            json.dump(kept, file, indent=4)
            file.write("\n")
        return
    with open(BASELINE) as file:
        kept = json.load(file)
    for what, now in (("architecture", platform.machine()), ("compiler", compiler)):
        if kept[what] != now:
            print("the baseline is of another %s: %s, and this is %s" % (what, kept[what], now))
    rows, more = [], []
    for stage, instructions in counts.items():
        before = kept["instructions"].get(stage)
        change = instructions / before - 1 if before else 0
        rows.append([stage, "{:,}".format(instructions), "{:,}".format(before or 0), "%+.1f %%" % (change * 100)])
        if change > WORTH_A_LOOK:
            more.append(stage)
    print(table(["stage", "instructions", "baseline", "change"], rows))
    if more:
        sys.exit("more instructions than in the baseline: " + ", ".join(more))
