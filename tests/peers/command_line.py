"""What tests/peers/run is told, and what it prints."""
import argparse
import concurrent.futures
import multiprocessing
import os
import secrets
import shlex
import subprocess
import sys
import time

import comparison
import configuration
import declared
from benchmark.candidates import TOP, newest_build

SKIPPED, FAILED, IMPOSSIBLE = 77, 1, 2
# Of scripts/peers: there is no Go, or it cannot fetch the modules.
CANNOT_BE_HAD = (3, 4)
COMMANDS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "commands.txt")
DOCUMENT = os.path.join(TOP, "docs", "migration.md")
SHOWN = 8
# A comparison mostly waits for packets that do not come.
COMPARISONS_PER_PROCESSOR = 2


def parse(description):
    parser = argparse.ArgumentParser(prog="tests/peers/run", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", default="named", choices=["named", "soak", "all", "table"])
    parser.add_argument("--binary", help="mesh-intercept, split as a shell does [the newest release build]")
    parser.add_argument("--istio", help="istio-iptables, split as a shell does [what scripts/peers prints]")
    parser.add_argument("--only", metavar="TEXT", help="named: those with this text in their name alone")
    parser.add_argument("--minutes", type=float, default=1, help="soak: for how long [1]")
    parser.add_argument("--seed", type=int, help="soak: which row of configurations [another one each time]")
    parser.add_argument("--number", type=int, help="soak: this configuration of the row alone")
    parser.add_argument("--jobs", type=int, default=COMPARISONS_PER_PROCESSOR * len(os.sched_getaffinity(0)),
                        help="comparisons at once [twice the processors]")
    return parser.parse_args()


def istio_iptables(options):
    if options.istio:
        return shlex.split(options.istio)
    built = subprocess.run([os.path.join(TOP, "scripts", "peers")], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        sys.exit(SKIPPED if built.returncode in CANNOT_BE_HAD else IMPOSSIBLE)
    return [built.stdout.strip()]


def tell(result):
    print("%s: %s\n    %s" % (result.name, result.difference.kind.value, result.command_line))
    for line in result.difference.details[:SHOWN]:
        print("        " + line[:300])
    if len(result.difference.details) > SHOWN:
        print("        and %d more" % (len(result.difference.details) - SHOWN))
    sys.stdout.flush()


def command_lines():
    with open(COMMANDS) as file:
        return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]


def attempt(compare, programs, case):
    """What a laboratory that cannot be set up says is an error here, and not the end of the worker."""
    try:
        return compare(programs, case)
    except SystemExit as error:
        raise RuntimeError("the comparison of %s cannot be made: %s" % (case, error)) from error


def named(options, programs, pool):
    wanted = [each for each in configuration.named() if not options.only or options.only in each.name]
    lines = [line for line in command_lines() if not options.only or options.only in line]
    entries = declared.entries()
    compared = [pool.submit(attempt, comparison.compare, programs, each) for each in wanted]
    taken = [pool.submit(attempt, comparison.compare_line, programs, line) for line in lines]
    same = {(entry, case): pool.submit(comparison.is_the_same_to_istio, programs, case, entry.instead)
            for entry in entries if entry.instead is not None for case in entry.cases if case in lines}
    compared, taken = [job.result() for job in compared], [job.result() for job in taken]
    undeclared, stale, known = declared.judged(compared + taken, entries)
    for result in undeclared:
        tell(result)
    wrong = ["%s is declared in differences.toml, and does not differ" % case for case in stale]
    names = {result.name for result in compared + taken}
    wrong += ["%s is declared twice in differences.toml, or nothing compares it" % case
              for case in ([] if options.only else declared.misplaced(entries, names))]
    wrong += ["istio-iptables does not make the same of %s and %s, or mesh-intercept does not take the second"
              % (case, entry.instead or "no flags") for (entry, case), job in same.items() if not job.result()]
    with open(DOCUMENT) as file:
        if declared.table(entries) not in file.read():
            wrong.append("docs/migration.md has another table than tests/peers/run table")
    print("".join(line + "\n" for line in wrong), end="")
    print("%d named configurations (%d refused by both), %d probes; %d command lines (%d refused by both); "
          "%d declared differences, %d undeclared" % (
              len(compared), sum(result.refused for result in compared), sum(result.probes for result in compared),
              len(taken), sum(result.refused for result in taken), len(known), len(undeclared)))
    return bool(names) and not undeclared and not wrong


def soak(options, programs, pool):
    seed = secrets.randbelow(10 ** 8) if options.seed is None else options.seed
    print("soak: --seed %d" % seed, flush=True)
    end = time.monotonic() + options.minutes * 60
    next_number, running, results = 0, set(), []
    while True:
        while len(running) < options.jobs and time.monotonic() < end:
            number = next_number if options.number is None else options.number
            next_number += 1
            chosen = configuration.chosen_at_random(seed, number)
            running.add(pool.submit(attempt, comparison.compare, programs, chosen))
            end = end if options.number is None else 0
        if not running:
            break
        done, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
        for job in done:
            results.append(job.result())
            if results[-1].difference:
                tell(results[-1])
                number = results[-1].name.partition("/")[2]
                print("        again: tests/peers/run soak --seed %d --number %s" % (seed, number))
    differ = sum(result.difference is not None for result in results)
    refused, probes = sum(result.refused for result in results), sum(result.probes for result in results)
    print("soak --seed %d: %d random configurations (%d refused by both), %d probes; %d differ"
          % (seed, len(results), refused, probes, differ))
    return differ == 0 and bool(results)


def main(description):
    options = parse(description)
    if options.what == "table":
        print(declared.table(declared.entries()))
        return 0
    if os.getuid():
        print("network namespaces have to be made: run this as root", file=sys.stderr)
        return IMPOSSIBLE
    ours = [os.path.abspath(word) if os.path.exists(word) else word
            for word in shlex.split(options.binary or newest_build())]
    programs = comparison.Programs(ours, istio_iptables(options))
    print("istio-iptables: %s" % shlex.join(programs.istio), flush=True)
    begun, good = time.monotonic(), True
    with concurrent.futures.ProcessPoolExecutor(options.jobs, multiprocessing.get_context("fork")) as pool:
        if options.what in ("named", "all"):
            good &= named(options, programs, pool)
        if options.what in ("soak", "all"):
            good &= soak(options, programs, pool)
    print("%d seconds" % (time.monotonic() - begun))
    return 0 if good else FAILED
