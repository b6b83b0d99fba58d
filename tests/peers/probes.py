"""Which packets are sent, by whom and from where: the same in every configuration."""

# The pod's interfaces: eth0 leads outside, net1 to a second network, behind vm0 is a machine.
POD, OUTSIDE = ("198.18.0.2", "fd00:18::2"), ("198.18.0.1", "fd00:18::1")
NET1, SECOND = ("198.18.1.2", "fd00:181::2"), ("198.18.1.1", "fd00:181::1")
VM0, MACHINE = ("198.18.2.1", "fd00:182::1"), ("198.18.2.2", "fd00:182::2")
# What is reached by net1.
BEHIND_NET1 = ("203.0.113.9", "2001:db8:113::9")

APPLICATION_TCP = (22, 80, 443, 5000, 8000, 8080, 9999, 15020, 15021, 15090, 32000)
APPLICATION_UDP = (80, 443, 5353, 8080)

# Users and groups: the application, the proxy, mixtures of both, root, and those that configurations name.
OWNERS = ((1000, 1000), (1337, 1337), (1000, 1337), (1337, 1000), (0, 0), (1000, 888), (1000, 202), (3, 1000),
          (1000, 2), (2102, 2102))
ADDRESSES_4 = ("10.1.2.3", "10.9.0.7", "172.16.5.5", "192.168.0.1", "9.9.1.1", "1.1.5.5", BEHIND_NET1[0],
               "169.254.169.254", OUTSIDE[0])
ADDRESSES_6 = ("2001:db8::7", "2001:db8:9::7", "fd00:96::5", BEHIND_NET1[1], OUTSIDE[1])
DNS_4, DNS_6 = "10.96.0.10", "fd00:96::a"
MARKS = (7, 1337, 1338, 4242)


def question(place, protocol, to, port, owner=(0, 0), source=None, mark=None):
    return {"place": place, "family": 6 if ":" in to else 4, "protocol": protocol, "to": to, "port": port,
            "from": source, "uid": owner[0], "gid": owner[1], "mark": mark}


def name(asked):
    """What a person calls the question."""
    words = [asked["place"], "%d:%d" % (asked["uid"], asked["gid"]), asked["protocol"], asked["to"], str(asked["port"])]
    if asked["from"]:
        words += ["from", asked["from"]]
    if asked["mark"]:
        words += ["marked", str(asked["mark"])]
    return " ".join(words)


def tcp(addresses, ports, **more):
    return [("tcp", address, port, more) for address in addresses for port in ports]


def udp(addresses, ports):
    return [("udp", address, port, {}) for address in addresses for port in ports]


def pings(addresses):
    return [("icmp", address, 0, {}) for address in addresses]


def from_inside(owner):
    """What processes of this owner send in the pod."""
    sent = tcp(ADDRESSES_4, (53, 80, 443, 8000, 15008, 32000)) + tcp(ADDRESSES_6, (53, 80, 8000, 15008))
    sent += tcp((POD[0], NET1[0]), (53, 80, 8000, 8080, 15008, 15020)) + tcp(POD[1:], (53, 80, 8080, 15008))
    sent += tcp(("127.0.0.1",), (53, 80, 8080, 15008)) + tcp(("127.0.0.53", "127.1.2.3", "::1"), (53, 80))
    # The proxy's own calls to the application come from these.
    sent += tcp((POD[0], "127.0.0.1"), (80,), source="127.0.0.6") + tcp(POD[1:], (80,), source="::6")
    sent += tcp(POD[:1], (8080,), source="127.0.0.1")
    sent += udp((DNS_4, "10.1.2.3", BEHIND_NET1[0], "127.0.0.53", POD[0]), (53, 443, 8000))
    sent += udp((DNS_6, "2001:db8::7", POD[1]), (53, 443)) + tcp((DNS_4, DNS_6), (53,))
    sent += pings((POD[0], *OUTSIDE))
    if owner == (0, 0):
        for mark in MARKS:
            sent += tcp(("10.1.2.3", "127.0.0.1", "2001:db8::7", POD[1]), (80,), mark=mark)
            sent += tcp(POD[:1], (80, 8080), mark=mark)
    return sent


def from_outside():
    sent = tcp(POD[:1], (*APPLICATION_TCP, 53, 1234, 4000, 15008, 31000))
    sent += tcp(POD[1:], (22, 80, 5000, 8080, 15008, 15090))
    return sent + udp(POD[:1], (*APPLICATION_UDP, 53)) + udp(POD[1:], (80, 443)) + pings(POD)


def from_the_second_network():
    return tcp(NET1[:1], (22, 80, 5000, 8080, 15008, 15090)) + tcp(NET1[1:], (80, 8080)) + udp(NET1[:1], (80,))


def from_the_machine():
    """What is forwarded, and what is for the pod itself."""
    called = ("10.1.2.3", "10.9.0.7", "172.16.5.5", "192.168.0.1", "9.9.1.1", OUTSIDE[0], VM0[0], POD[0])
    sent = tcp(called, (53, 80, 8080, 15008)) + tcp(("2001:db8::7", "fd00:96::5", OUTSIDE[1], VM0[1]), (80,))
    return sent + udp(("10.1.2.3", DNS_4, VM0[0]), (53, 80, 443)) + pings(VM0[:1])


def stray():
    """Segments of no connection: answered by a reset, or by nothing where invalid packets are dropped."""
    return [("stray", POD[0], port, {}) for port in (80, 8080)]


def all_of_them():
    sent = [("pod", owner, one) for owner in OWNERS for one in from_inside(owner)]
    sent += [("outside", (0, 0), one) for one in from_outside() + stray()]
    sent += [("second", (0, 0), one) for one in from_the_second_network()]
    sent += [("machine", (0, 0), one) for one in from_the_machine()]
    return [question(place, protocol, to, port, owner, **more) for place, owner, (protocol, to, port, more) in sent]
