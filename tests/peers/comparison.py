"""Gives the same configuration to both programs, and says in what they differ."""
import dataclasses
import enum
import shlex
import subprocess

from benchmark import sandbox
from configuration import NAMESPACE
from laboratory import ENVIRONMENT, Laboratory

VALIDATION_FAILED = 126
LAST_LINES = 3
TIME_LIMIT = "20"  # seconds, for a command line that is only parsed


class Kind(enum.Enum):
    REFUSED_HERE = "refused here"
    REFUSED_BY_ISTIO = "refused by istio"
    ANOTHER_CODE = "another exit code"
    ANOTHER_FATE = "another fate"


@dataclasses.dataclass(frozen=True)
class Difference:
    kind: Kind
    # For a person: what was printed, or who answered.
    details: list
    # The questions that are answered otherwise.
    probes: frozenset = frozenset()


@dataclasses.dataclass(frozen=True)
class Result:
    name: str
    command_line: str
    difference: Difference | None
    probes: int = 0
    # Neither program took it.
    refused: bool = False


@dataclasses.dataclass(frozen=True)
class Programs:
    ours: list
    istio: list

    def istio_with(self, words):
        """In one variant of iptables, unless the case chooses itself: what istio tries out would stay behind."""
        choices = ("native", "iptables-binary", "iptables_binary")
        chosen = any(choice in word.lower() for word in words for choice in choices)
        return self.istio + ([] if chosen else ["--force-iptables-binary", "nft"])

    def ours_with(self, backend=None):
        return self.ours + ["init"] + (["--backend", backend] if backend else [])


@dataclasses.dataclass(frozen=True)
class Fate:
    code: int
    output: str
    answers: dict


def of_codes(istio, ours, istio_output, ours_output):
    """The difference between two ends, of which at least one is no success; None when both failed in the same way."""
    if istio and ours:
        if VALIDATION_FAILED in (istio, ours) and istio != ours:
            return Difference(Kind.ANOTHER_CODE, ["istio %d, mesh-intercept %d" % (istio, ours)])
        return None
    kind = Kind.REFUSED_BY_ISTIO if istio else Kind.REFUSED_HERE
    output = istio_output if istio else ours_output
    return Difference(kind, ["exit code %d" % (istio or ours), *output.strip().splitlines()[-LAST_LINES:]])


def fate(command, configuration):
    """What becomes of all packets in a fresh pod."""
    with Laboratory(configuration) as laboratory:
        output = ""
        for more in [[]] + ([configuration.then] if configuration.then is not None else []):
            flags = [flag.replace(NAMESPACE, laboratory.namespaces["pod"].path) for flag in configuration.flags + more]
            code, printed = laboratory.run(command + flags, configuration.variables, configuration.from_outside)
            output += printed
            if code:
                return Fate(code, output, {})
        return Fate(0, output, laboratory.answers())


def fates(programs, configuration):
    istio = programs.istio_with(configuration.flags + list(configuration.variables))
    return fate(istio, configuration), fate(programs.ours_with(configuration.backend), configuration)


def differing(istio, ours):
    both = {name: (answer, ours.answers[name]) for name, answer in istio.answers.items()}
    return {name: answers for name, answers in both.items() if answers[0] != answers[1]}


def compare(programs, configuration):
    """A difference between answers counts when it is seen twice: a busy machine may keep a packet waiting."""
    istio, ours = fates(programs, configuration)
    difference = None
    if istio.code or ours.code:
        difference = of_codes(istio.code, ours.code, istio.output, ours.output)
    elif found := differing(istio, ours):
        again = differing(*fates(programs, configuration))
        found = {name: answers for name, answers in found.items() if again.get(name) == answers}
        if found:
            lines = ["%s: istio %s, mesh-intercept %s" % (name, *answers) for name, answers in found.items()]
            difference = Difference(Kind.ANOTHER_FATE, lines, frozenset(found))
    return Result(configuration.name, configuration.command_line(), difference, len(istio.answers),
                  bool(istio.code and ours.code))


def split(line):
    """A command line's variables and flags."""
    words = shlex.split(line)
    variables = {}
    while words and "=" in words[0] and words[0].partition("=")[0].isupper():
        name, _, value = words.pop(0).partition("=")
        variables[name] = value
    return variables, words


def end_of(command, variables, look=None):
    """The exit code in a fresh pod and what was printed; and what `look` says afterwards."""
    def action():
        # Which is the pod's own: files that are written go with it.
        done = subprocess.run(["timeout", TIME_LIMIT, *command], env=ENVIRONMENT | variables, cwd="/run", text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return [done.returncode, done.stdout, look() if look else None]
    return sandbox.in_fresh_pod(action)


def compare_line(programs, line):
    """Whether both take a command line; where packets go is not looked at."""
    variables, flags = split(line)
    istio, istio_output, _ = end_of(programs.istio_with(flags + list(variables)) + flags, variables)
    ours, ours_output, _ = end_of(programs.ours_with() + flags, variables)
    difference = of_codes(istio, ours, istio_output, ours_output) if istio or ours else None
    return Result(line, line, difference, refused=bool(istio and ours))


def rules():
    """Everything that istio-iptables leaves, without counters."""
    commands = (["nft", "--stateless", "list", "ruleset"], ["ip", "rule"], ["ip", "-6", "rule"])
    return "".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout for command in commands)


def is_the_same_to_istio(programs, line, other):
    """Whether istio-iptables makes the same rules of both lines, and mesh-intercept takes the other one."""
    made = []
    for each in (line, other):
        variables, flags = split(each)
        code, _, found = end_of(programs.istio_with(flags + list(variables)) + flags, variables, rules)
        made.append((code, found))
    variables, flags = split(other)
    return made[0] == made[1] and made[0][0] == 0 and end_of(programs.ours_with() + flags, variables)[0] == 0
