"""What is measured: mesh-intercept by each back end, the kernel's own tools with the same rules, and peers."""
import glob
import os
import shlex
import shutil
import subprocess
import sys

from benchmark import sandbox

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TRUE, OURS = "/bin/true", "mesh-intercept"
NFT, RESTORE = "nft -f, the same rules", "%s-restore, the same rules"
BACKENDS = {"nftables": OURS, "iptables-nft": OURS + ", iptables-nft", "iptables-legacy": OURS + ", iptables-legacy"}
FIRST, AGAIN, REPLACEMENT, CLEANUP = "first apply", "unchanged second run", "replacement", "cleanup"
# What a peer's {phase} becomes: the flags of istio-iptables.
PHASE_FLAGS = {FIRST: "", AGAIN: "", REPLACEMENT: "--reconcile", CLEANUP: "--cleanup-only"}
# What the sidecar injector writes.
FLAGS = ["-p", "15001", "-z", "15006", "-u", "1337", "-m", "REDIRECT", "-i", "*", "-b", "*",
         "-d", "15090,15021,15081,9191,15020", "--log_output_level=default:info"]
# What `--peer istio` stands for. Left alone, it tries the variants of iptables, and a second run finds what was tried.
ISTIO = "istio"
ISTIO_BACKENDS = {"istio-iptables, native nftables": "--native-nftables",
                  "istio-iptables, iptables-nft": "--force-iptables-binary nft",
                  "istio-iptables, iptables-legacy": "--force-iptables-binary legacy"}
LONGEST_ARGUMENT = 128 * 1024 - 1  # bytes: MAX_ARG_STRLEN of the kernel


def newest_build():
    builds = glob.glob(TOP + "/target/release/mesh-intercept") + glob.glob(TOP + "/target/*/release/mesh-intercept")
    if not builds:
        sys.exit("there is no release build: run `cargo build --release` first")
    return max(builds, key=os.path.getmtime)


def find(program):
    path = shutil.which(program)
    if not path:
        sys.exit("%s is not installed, or no program: see scripts/setup --bench" % program)
    return os.path.abspath(path)


def with_istio(peers):
    """The peers, each as NAME=COMMAND."""
    if ISTIO not in peers:
        return peers
    built = subprocess.run([os.path.join(TOP, "scripts", "peers")], stdout=subprocess.PIPE, text=True, check=False)
    if built.returncode:
        sys.exit("scripts/peers has failed: see above")
    program = shlex.quote(built.stdout.strip())
    istio = ["%s=%s %s {phase} {flags}" % (name, program, flags) for name, flags in ISTIO_BACKENDS.items()]
    return [peer for peer in peers if peer != ISTIO] + istio


class Ranges:
    """So many excluded ranges, none of which touches another: as a list, and as a file."""

    def __init__(self, count, folder, replaced=False):
        networks = ["10.%d.%d.0/25" % (number // 256, number % 256) for number in range(count)]
        if count == 1:
            networks = ["192.168.0.1/32"]
        if replaced:
            networks[-1] = "172.16.0.0/12"
        self.text = ",".join(networks)
        self.flags = ["-x", self.text]
        if count > 1:
            path = os.path.join(folder, "ranges-%d%s" % (count, "-replaced" if replaced else ""))
            with open(path, "w") as file:
                file.write("\n".join(networks) + "\n")
            self.flags = ["-x", "@" + path]


class Candidates:
    """Commands by name and phase, for so many excluded ranges. A phase that a tool does not have is missing."""

    def __init__(self, binary, count, peers, folder):
        self.binary, self.folder = binary, folder
        self.ranges, self.replaced = Ranges(count, folder), Ranges(count, folder, replaced=True)
        self.commands = {TRUE: {FIRST: [find("true")]}}
        for backend, name in BACKENDS.items():
            self.commands[name] = self.ours([] if backend == "nftables" else ["--backend", backend])
        self.commands[NFT] = self.nft(count)
        script = self.plan("iptables", self.ranges, "rules-%d.iptables" % count)
        for variant in ("iptables-nft", "iptables-legacy"):
            restore = [find(variant + "-restore"), "--noflush", script]
            self.commands[RESTORE % variant] = {FIRST: restore}
        for peer in peers:
            name, _, template = peer.partition("=")
            self.commands[name] = self.peer(template)

    def ours(self, backend):
        def command(verb, ranges, *more):
            return [self.binary, verb] + backend + FLAGS + ranges.flags + list(more)
        return {FIRST: command("init", self.ranges), AGAIN: command("init", self.ranges),
                REPLACEMENT: command("init", self.replaced, "--reconcile"), CLEANUP: command("cleanup", self.replaced)}

    def plan(self, form, ranges, name, before=""):
        """The file with our rules in the words of another tool."""
        command = [self.binary, "plan", "--backend", "nftables", "--local-address", sandbox.ADDRESS, "--output", form]
        # In a pod without rules: what the machine itself has does not matter.
        text = sandbox.in_fresh_pod(lambda: subprocess.run(
            command + FLAGS + ranges.flags, stdout=subprocess.PIPE, text=True, check=True).stdout)
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(before + text)
        return path

    def nft(self, count):
        """In the way of nft: a table is replaced by a transaction that deletes it first."""
        first = self.plan("nft", self.ranges, "rules-%d.nft" % count)
        delete = "delete table ip mesh-intercept\n"
        replaced = self.plan("nft", self.replaced, "replaced-%d.nft" % count, delete)
        nft = find("nft")
        return {FIRST: [nft, "-f", first], REPLACEMENT: [nft, "-f", replaced], CLEANUP: [nft, delete]}

    def peer(self, template):
        """A command with {phase} has all phases, another one the first; one whose list is too long has none."""
        if len(self.ranges.text) > LONGEST_ARGUMENT:
            return {}
        def command(phase, ranges):
            flags = shlex.join(FLAGS + ["-x", ranges.text])
            words = shlex.split(template.replace("{flags}", flags).replace("{phase}", PHASE_FLAGS[phase]))
            return [find(words[0])] + words[1:]
        phases = {FIRST: command(FIRST, self.ranges)}
        if "{phase}" in template:
            phases[AGAIN] = command(AGAIN, self.ranges)
            phases.update({phase: command(phase, self.replaced) for phase in (REPLACEMENT, CLEANUP)})
        return phases
