"""A pod with three interfaces, what is around it, and who listens where: namespaces that end with the process."""
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys

import actor
import asking
import probes
from benchmark import sandbox
from probes import MACHINE, NET1, OUTSIDE, POD, SECOND, VM0

MS_BIND = 1 << 12
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP = 1, 28, 1 << 2
PROXY, APPLICATION = 1337, 1000
PORTS = {"outbound": 15001, "inbound": 15006, "tunnel": 15008, "dns": 15053}
EVERYTHING_PORT = 7
ENVIRONMENT = {"PATH": os.environ["PATH"], "HOME": os.path.expanduser("~")}
PATIENCE = 120  # seconds for a command
# Whatever address is called out there, a listener answers.
ANY_ADDRESS = """table inet everything {
    chain prerouting {
        type nat hook prerouting priority -100;
        iifname "eth0" meta l4proto { tcp, udp } redirect to :%d
    }
}""" % EVERYTHING_PORT


class Namespace:
    """A network namespace, with a /run and a resolv.conf of its own."""

    def __init__(self, resolv):
        def steps():
            with open("/run/resolv.conf", "w") as file:
                file.write(resolv)
            path = os.path.realpath("/etc/resolv.conf")
            if sandbox.LIBC.mount(b"/run/resolv.conf", path.encode(), None, MS_BIND, None):
                sys.exit("cannot mount %s: %s" % (path, os.strerror(ctypes.get_errno())))
            for family in ("ipv4", "ipv6"):
                write("net/%s/conf/all/forwarding" % family, "1")
            write("net/ipv4/ping_group_range", "0 100000")
            # The machine's packets take paths of their own.
            write("net/ipv4/conf/all/rp_filter", "0")
            write("net/ipv4/conf/default/rp_filter", "0")
            yield None
        self._pod = sandbox.Pod(steps, address=None)
        self._pod.result()
        self.process = self._pod.process
        self.path = "/proc/%d/ns/net" % self.process

    def command(self, command):
        """In a folder of the namespace: files that are written go with it."""
        return ["nsenter", "--target", str(self.process), "--net", "--mount", "--wdns=/run", "--", *command]

    def text(self, command, given):
        subprocess.run(self.command(command), input=given, text=True, check=True, stdout=subprocess.DEVNULL)

    def enter(self):
        with open(self.path) as namespace:
            if sandbox.LIBC.setns(namespace.fileno(), sandbox.CLONE_NEWNET):
                raise OSError(ctypes.get_errno(), "cannot enter %s" % self.path)

    def close(self):
        self._pod.close()


def write(setting, value):
    with open("/proc/sys/" + setting, "w") as file:
        file.write(value)


def listeners(role, ports):
    def on(protocol, port, name, **more):
        return [{"family": family, "protocol": protocol, "address": address, "port": port, "name": name, **more}
                for family, address in ((4, "0.0.0.0"), (6, "::"))]
    if role == "application":
        return (sum((on("tcp", port, "application:%d" % port) for port in probes.APPLICATION_TCP), [])
                + sum((on("udp", port, "application:%d" % port) for port in probes.APPLICATION_UDP), []))
    if role == "proxy":
        redirected = sum((on("tcp", ports[name], "proxy " + name, transparent=True) for name in ("outbound", "inbound")
                          if name == "outbound" or ports["inbound"] != ports["outbound"]), [])
        dns = on("tcp", ports["dns"], "proxy dns") + on("udp", ports["dns"], "proxy dns")
        return redirected + dns + on("tcp", ports["tunnel"], "proxy tunnel")
    return on("tcp", EVERYTHING_PORT, role) + on("udp", EVERYTHING_PORT, role)


class Laboratory:
    def __init__(self, configuration):
        self.ports = PORTS | configuration.ports
        self.children = []
        self.namespaces = {}
        try:
            for place in ("pod", "outside", "second", "machine"):
                self.namespaces[place] = Namespace(configuration.resolv)
            self._connect(configuration.addresses)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _connect(self, addresses):
        names = {"eth0": "outside", "net1": "second", "vm0": "machine"}
        links = ["link add %s type veth peer name eth0 netns %d" % (interface, self.namespaces[place].process)
                 for interface, place in names.items()]
        given = addresses.of_the_pod()
        up = ["link set %s up" % interface for interface in names]
        routes = []
        if addresses.has_ipv4:
            gateway = OUTSIDE if addresses.has_ipv4_on_eth0 else SECOND
            routes += ["route add 0.0.0.0/0 via " + gateway[0], "route add 203.0.113.0/24 via " + SECOND[0]]
        if addresses.has_ipv6:
            routes += ["route add ::/0 via " + OUTSIDE[1], "route add 2001:db8:113::/48 via " + SECOND[1]]
        self._batch("pod", links + given + up + routes)
        self._batch("outside", attached(OUTSIDE) + [
            "route add 198.18.1.0/24 via " + POD[0], "route add 198.18.2.0/24 via " + POD[0],
            "route add fd00:182::/64 via " + POD[1]])
        for place, own, gateway in (("second", SECOND, NET1), ("machine", MACHINE, VM0)):
            default = ["route add 0.0.0.0/0 via " + gateway[0], "route add ::/0 via " + gateway[1]]
            self._batch(place, attached(own) + default)
        for place in ("outside", "second"):
            self.namespaces[place].text(["nft", "-f", "-"], ANY_ADDRESS)

    def _batch(self, place, lines):
        self.namespaces[place].text(["ip", "-batch", "-"], "\n".join(lines) + "\n")

    def run(self, command, variables, from_outside=False):
        """The exit code, and what was printed."""
        inside = self.namespaces["machine" if from_outside else "pod"]
        done = subprocess.run(inside.command(command), env=ENVIRONMENT | variables, timeout=PATIENCE, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        return done.returncode, done.stdout

    def _in(self, place, action):
        """A child process in the namespace: `action` writes to the pipe whose other end is returned."""
        read, written = os.pipe()
        child = os.fork()
        if child:
            os.close(written)
            self.children.append(child)
            return os.fdopen(read)
        try:
            sandbox.LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            os.close(read)
            self.namespaces[place].enter()
            os.dup2(written, sys.stdout.fileno())
            action()
            sys.stdout.flush()
            os._exit(0)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
        finally:
            os._exit(1)

    def _serve(self, place, role, user):
        def action():
            # The proxy's sockets take packets for any address, and both roles have ports below 1024.
            sandbox.LIBC.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            actor.serve(listeners(role, self.ports))
        if self._in(place, action).readline() != "ready\n":
            raise RuntimeError("the listeners of %s do not start" % role)

    def answers(self):
        """Who answers each question of probes.py, by its name."""
        self._serve("pod", "proxy", PROXY)
        self._serve("pod", "application", APPLICATION)
        self._serve("outside", "outside", 0)
        self._serve("second", "second network", 0)
        questions = probes.all_of_them()
        places = {}
        for question in questions:
            places.setdefault(question["place"], []).append(question)
        outputs = {place: self._in(place, lambda asked=asked: print(json.dumps(asking.ask(asked))))
                   for place, asked in places.items()}
        heard = {}
        for place, output in outputs.items():
            with output:
                line = output.readline()
            if not line:
                raise RuntimeError("the packets from %s could not be sent" % place)
            heard |= zip(map(probes.name, places[place]), json.loads(line), strict=True)
        # Where nobody answered, all configurations would have the same fates.
        answering = {answer.partition("|")[0].partition(":")[0] for answer in heard.values()}
        if "application" not in answering or not answering & {"outside", "second network"}:
            raise RuntimeError("hardly anybody answers in this laboratory: %s" % ", ".join(sorted(answering)))
        return heard

    def close(self):
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        for namespace in self.namespaces.values():
            namespace.close()


def attached(own):
    return ["address add %s/24 dev eth0" % own[0], "address add %s/64 dev eth0 nodad" % own[1], "link set eth0 up"]
