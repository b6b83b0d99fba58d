"""How long connect() takes through the rules as the number of excluded ranges grows.

The application calls an address beyond eth0 that no range contains, so that the packet has to be compared with all of
them before the last rule redirects it to the proxy's port, where the same process listens. One processor does all of
it; only connect() is timed. All pods stay, and each does a batch when its turn comes.
"""
import os
import random
import socket
import struct
import sys
import time

from benchmark import process, sandbox
from benchmark.candidates import BACKENDS, FIRST, Candidates
from benchmark.summary import percentile, spread

PROXY, CALLED, EXCLUDED = ("0.0.0.0", 15001), ("203.0.113.5", 8080), ("10.0.0.5", 8080)
ETH0 = ["link add eth0 type veth peer name wire", "address add 192.0.2.2/24 dev eth0", "link set wire up",
        "link set eth0 up", "route add default via 192.0.2.1"]
NO_RULES = "no rules, straight to the listener"
RESET = struct.pack("ii", 1, 0)  # hangs up without a rest that would occupy the port
PATIENCE = 0.2  # seconds


def client():
    caller = socket.socket()
    caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return caller


def calls(listener, to, count):
    """The p50 of so many connections, in microseconds."""
    times = []
    for _ in range(count):
        caller = client()
        start = time.perf_counter_ns()
        caller.connect(to)
        times.append(time.perf_counter_ns() - start)
        listener.accept()[0].close()
        caller.close()
    return percentile(times, 50) / 1000


def excludes(listener):
    """Rules that are not there would be fast."""
    with client() as caller:
        caller.settimeout(PATIENCE)
        try:
            caller.connect(EXCLUDED)
        except OSError:
            return
    listener.accept()
    sys.exit("a call to %s was redirected although its range is excluded" % EXCLUDED[0])


def pod(command, count, size):
    """The steps of a pod with `count` excluded ranges."""
    def steps():
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        sandbox.batch(ETH0)
        with socket.create_server(PROXY) as listener:
            if command:
                process.timed(command)
            if count > 1:
                excludes(listener)
            to = CALLED if command else ("127.0.0.1", PROXY[1])
            calls(listener, to, 50)
            yield None
            while True:
                yield calls(listener, to, size)
    return sandbox.Pod(steps, address=None)


def measure(options, folder, progress):
    pods = {(NO_RULES, 0): pod(None, 0, options.calls)}
    for count in options.counts:
        candidates = Candidates(options.binary, count, options.peer, folder).commands
        peers = [peer.partition("=")[0] for peer in options.peer]
        for name in [*BACKENDS.values(), *peers]:
            if FIRST in candidates[name]:
                pods[name, count] = pod(candidates[name][FIRST], count, options.calls)
    for one in pods.values():
        one.result()
    batches = {key: [] for key in pods}
    for number in range(options.runs):
        progress("connect", number, options.runs)
        for key, one in random.sample(list(pods.items()), len(pods)):
            one.go()
            batches[key].append(one.result())
    for one in pods.values():
        one.close()
    rows = [{"command": name, "ranges": count, **spread(values)} for (name, count), values in batches.items()]
    return {"runs": options.runs, "calls": options.calls, "rows": rows}
