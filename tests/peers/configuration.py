"""Configurations: those with a name, from the files beside this one, and random ones."""
import dataclasses
import enum
import os
import random
import shlex
import tomllib

import probes

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "configurations")
SETS = ("istio", "recorded", "further")
NAMESPACE = "{namespace}"
PLACEHOLDERS = {
    # What the sidecar injector writes.
    "{typical}": "-p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x '' -b '*' -d 15090,15021,15020",
    "{injected}": "-p 15001 -z 15006 -u 1337 -m REDIRECT -i '*' -x 192.168.0.1/32 -b '*' "
                  "-d 15090,15021,15081,9191,15020 --log_output_level=default:info",
    "{1000 ranges}": ",".join("10.%d.%d.0/25" % divmod(number, 250) for number in range(1000)),
    "{198 ports}": ",".join(str(20000 + 3 * number) for number in range(198)),
}


class Addresses(enum.Enum):
    """Which addresses the pod has."""
    BOTH = "both"
    IPV4 = "IPv4"
    IPV6 = "IPv6"
    IPV6_FIRST = "IPv6 first"
    IPV4_ON_NET1_ALONE = "IPv4 on net1 alone"

    @property
    def has_ipv4(self):
        return self is not Addresses.IPV6

    @property
    def has_ipv4_on_eth0(self):
        return self.has_ipv4 and self is not Addresses.IPV4_ON_NET1_ALONE

    @property
    def has_ipv6(self):
        return self is not Addresses.IPV4

    def of_the_pod(self):
        """As commands of `ip`, in order."""
        interfaces = (("eth0", probes.POD), ("net1", probes.NET1), ("vm0", probes.VM0))
        ipv4 = ["address add %s/24 dev %s" % (addresses[0], interface) for interface, addresses in interfaces
                if self.has_ipv4 and (interface != "eth0" or self.has_ipv4_on_eth0)]
        ipv6 = ["address add %s/64 dev %s nodad" % (addresses[1], interface) for interface, addresses in interfaces
                if self.has_ipv6]
        return ipv6 + ipv4 if self is Addresses.IPV6_FIRST else ipv4 + ipv6


@dataclasses.dataclass(frozen=True)
class Configuration:
    name: str
    flags: list
    variables: dict = dataclasses.field(default_factory=dict)
    resolv: str = "nameserver 10.96.0.10\n"
    addresses: Addresses = Addresses.BOTH
    # The proxy listens there.
    ports: dict = dataclasses.field(default_factory=dict)
    # Flags that are added in a second run.
    then: list | None = None
    # How mesh-intercept is run, beside its own choice.
    backend: str | None = None

    @property
    def from_outside(self):
        return any(NAMESPACE in flag for flag in self.flags)

    def command_line(self):
        variables = ["%s=%s" % (name, shlex.quote(value)) for name, value in self.variables.items()]
        return " ".join([*variables, shlex.join(self.flags)])


def words(text):
    for name, value in PLACEHOLDERS.items():
        text = text.replace(name, value)
    return shlex.split(text)


def named():
    """All that have a name; those of one file have its name in front."""
    found = []
    for file in SETS:
        with open(os.path.join(FOLDER, file + ".toml"), "rb") as content:
            for name, fields in tomllib.load(content).items():
                fields["flags"] = words(fields["flags"])
                if "then" in fields:
                    fields["then"] = words(fields["then"])
                if "addresses" in fields:
                    fields["addresses"] = Addresses(fields["addresses"])
                found.append(Configuration(name="%s/%s" % (file, name), **fields))
    return found


RANGES = ("10.0.0.0/8", "10.9.0.0/16", "172.16.0.0/12", "192.168.0.1/32", "9.9.0.0/16", "203.0.113.0/24",
          "127.1.2.3/32", "198.18.0.0/24", "198.18.0.2/32", "2001:db8::/32", "2001:db8:9::/48", "169.254.169.254/32")
INCLUDED_RANGES = (*RANGES, "127.0.0.0/8", "fd00:96::/64", "::1/128", "0.0.0.0/0", "::/0")
PORTS = ("22", "53", "80", "443", "5000", "5353", "8000", "8080", "15008", "15020", "15090", "32000")
SERVERS = ("nameserver 10.96.0.10\n", "nameserver 127.0.0.53\n", "nameserver fd00:96::a\n",
           "nameserver 10.96.0.10\nnameserver fd00:96::a\n")


def chosen_at_random(seed, number):
    """The configuration of this number in the row of this seed. Its values mean the same to everybody."""
    chance = random.Random("%d/%d" % (seed, number))

    def some(values, most=3):
        return ",".join(chance.sample(values, chance.randint(1, most)))

    def perhaps(probability, *flags):
        return [flag() if callable(flag) else flag for flag in flags] if chance.random() < probability else []

    flags = ["-u", chance.choice(["1337", "1337", "0", "1337,2102", "3,1000"])]
    flags += perhaps(0.4, "-g", lambda: chance.choice(["1337", "888", "202,888", "2", "1000"]))
    flags += ["-m", chance.choice(["REDIRECT", "REDIRECT", "TPROXY"])]
    flags += ["-i", chance.choice(["*", "*", "", some(INCLUDED_RANGES, 4)])]
    flags += perhaps(0.6, "-x", lambda: some(RANGES))
    flags += ["-b", chance.choice(["*", "*", "", some(PORTS)])]
    flags += perhaps(0.6, "-d", lambda: some(PORTS))
    flags += perhaps(0.35, "-q", lambda: some(PORTS))
    flags += perhaps(0.35, "-o", lambda: some(PORTS))
    flags += perhaps(0.25, "-c", lambda: chance.choice(["eth0", "net1", "lo", "vm0", "net+", "eth0,net1"]))
    flags += perhaps(0.3, "-k", lambda: chance.choice(["vm0", "vm0,net1", "vm+", "net1"]))
    flags += perhaps(0.5, "--redirect-dns")
    flags += perhaps(0.5, "--capture-all-dns") if "--redirect-dns" in flags else []
    flags += perhaps(0.2, "--drop-invalid")
    flags += perhaps(0.6, "--dual-stack")
    variables = {}
    for variable, values in (("ISTIO_OUTBOUND_OWNER_GROUPS", ["888", "202,888", "1000", "*"]),
                             ("ISTIO_OUTBOUND_OWNER_GROUPS_EXCLUDE", ["888", "202,888", "2102"]),
                             ("ISTIO_OUTBOUND_IPV4_LOOPBACK_CIDR", ["127.0.0.0/8", "127.0.0.1/32", "127.1.0.0/16"])):
        if chance.random() < 0.2:
            variables[variable] = chance.choice(values)
    addresses = chance.choice([Addresses.BOTH] * 3 + [Addresses.IPV4, Addresses.IPV6])
    return Configuration("random/%d" % number, flags, variables, chance.choice(SERVERS), addresses,
                         backend=chance.choice([None, None, "iptables-nft", "iptables-legacy"]))
