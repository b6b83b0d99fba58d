"""What is known to differ, from differences.toml."""
import dataclasses
import os
import re
import tomllib

import configuration
from comparison import Kind

# Beginnings of the names of configurations.
SETS = tuple(name + "/" for name in configuration.SETS)
FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "differences.toml")


@dataclasses.dataclass(frozen=True)
class Entry:
    kind: Kind
    # Names of configurations, and lines of commands.txt.
    cases: tuple
    reason: str
    # What the questions that are answered otherwise are called.
    probes: str = ".*"
    # A row of docs/migration.md: what istio makes of it, and a line that means the same to both.
    istio: str | None = None
    instead: str | None = None
    advice: str | None = None

    def covers(self, difference):
        return self.kind is difference.kind and all(re.fullmatch(self.probes, name) for name in difference.probes)


def entries():
    with open(FILE, "rb") as file:
        found = tomllib.load(file)["difference"]
    return [Entry(Kind(fields.pop("kind")), tuple(fields.pop("cases")), **fields) for fields in found]


def judged(results, declared):
    """The results that nobody has declared, the cases that are declared and do not differ, and those that do."""
    known = {case: entry for entry in declared for case in entry.cases}
    undeclared = [result for result in results if result.difference
                  and not (result.name in known and known[result.name].covers(result.difference))]
    stale = [result.name for result in results if result.name in known and not result.difference]
    return undeclared, stale, [result for result in results if result.difference and result not in undeclared]


def misplaced(declared, names):
    """Cases that are declared twice, or that nobody compares."""
    cases = [case for entry in declared for case in entry.cases]
    return [case for case in cases if case not in names or cases.count(case) > 1]


def code(text):
    return "`%s`" % text.replace("|", "\\|")


def table(declared):
    """What istio-iptables takes and mesh-intercept refuses for good, for docs/migration.md."""
    rows = []
    for entry in declared:
        if entry.istio:
            lines = ", ".join(code(case) for case in entry.cases if not case.startswith(SETS))
            instead = entry.advice or (code(entry.instead) if entry.instead else "leave it out")
            rows.append((lines, entry.istio, instead))
    lines = ["| refused here | what istio-iptables makes of it | write instead |", "|---|---|---|"]
    return "\n".join(lines + ["| %s |" % " | ".join(row) for row in rows])
