"""What scripts/bench is told, and what it prints."""
import argparse
import json
import os
import shlex
import sys
import tempfile

from benchmark import apply, connect, instructions, pods, ranges, report, summary, tables
from benchmark.candidates import ISTIO, newest_build, with_istio

SUBJECTS = {"apply": apply, "ranges": ranges, "connect": connect, "pods": pods}
# How often, by default and with --quick.
RUNS = {"apply": (40, 3), "ranges": (12, 2), "connect": (16, 3), "pods": (6, 1)}
COUNTS, QUICK_COUNTS = [1, 10, 100, 1000, 5000, 20000], [1, 1000]
PODS, QUICK_PODS = [1, 2, 5, 10, 20, 50, 100], [1, 20]
CALLS = 2000


def positive(text):
    if int(text) < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return int(text)


def numbers(text):
    return sorted({positive(item) for item in text.split(",")})


def peer(text):
    if text == ISTIO:
        return text
    name, _, command = text.partition("=")
    if not name or not command.strip():
        raise argparse.ArgumentTypeError("a peer is NAME=COMMAND, or istio")
    return text


def parse(description):
    parser = argparse.ArgumentParser(prog="scripts/bench", description=description,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("subject", nargs="?", default="apply", choices=[*SUBJECTS, "all", "report", "instructions"])
    parser.add_argument("files", nargs="*", metavar="FILE", help="with report: what --json has printed")
    parser.add_argument("--runs", type=positive, help="how often each command is run [%s]"
                        % ", ".join("%s %d" % (name, runs) for name, (runs, _) in RUNS.items()))
    parser.add_argument("--ranges", type=positive, default=1, help="with apply: how many ranges are excluded [1]")
    parser.add_argument("--counts", type=numbers, help="with ranges and connect: how many are excluded [%s]"
                        % ",".join(map(str, COUNTS)))
    parser.add_argument("--pods", type=numbers, help="with pods: how many at once [%s]" % ",".join(map(str, PODS)))
    parser.add_argument("--quick", action="store_true", help="few runs of few sizes: does it work?")
    parser.add_argument("--alone", action="store_true", help="without another namespace that has NAT rules")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="NAME=COMMAND|istio",
                        help="measure this as well")
    parser.add_argument("--binary", help="the program [the newest release build]")
    parser.add_argument("--write", action="store_true", help="with instructions: keep the counts as the baseline")
    options = parser.parse_intermixed_args()
    if bool(options.files) != (options.subject == "report"):
        parser.error("report needs files, and nothing else takes any")
    options.counts = options.counts or (QUICK_COUNTS if options.quick else COUNTS)
    options.pods = options.pods or (QUICK_PODS if options.quick else PODS)
    options.calls = CALLS
    return options


def progress(name, done, all_of_them):
    if sys.stderr.isatty():
        print("\r%s: round %d of %d " % (name, done + 1, all_of_them), end="", file=sys.stderr, flush=True)


def measure(name, options, folder):
    own = argparse.Namespace(**vars(options))
    own.runs = options.runs or RUNS[name][options.quick]
    load = summary.load()
    result = SUBJECTS[name].measure(own, folder, progress)
    command = shlex.join(["scripts/bench"] + [word for word in sys.argv[1:] if word != "--json"])
    # Where its figures belong: those of another number of ranges, or of hooks of one's own, have their own place.
    place = name
    if name == "apply" and options.ranges > 1:
        place += " with %d ranges" % options.ranges
    if options.alone:
        place += " alone"
    return {"subject": name, "name": place, "machine": summary.machine(), "load": load, "command": command, **result}


def load_results(files):
    results = []
    for path in files:
        with open(path) as file:
            content = json.load(file)
        results += content if isinstance(content, list) else [content]
    return results


def main(description):
    options = parse(description)
    if options.subject == "report":
        return report.write(load_results(options.files))
    if options.subject == "instructions":
        return instructions.run(options.write)
    options.binary = os.path.abspath(options.binary or newest_build())
    options.peer = with_istio(options.peer)
    with tempfile.TemporaryDirectory() as folder:
        names = SUBJECTS if options.subject == "all" else [options.subject]
        results = [measure(name, options, folder) for name in names]
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    if options.json:
        print(json.dumps(results if options.subject == "all" else results[0], indent=1))
    else:
        print("\n\n".join(tables.text(result) for result in results))
    return None
