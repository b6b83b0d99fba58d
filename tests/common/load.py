"""Many short connections: who answers each of them, and is any lost?

    load.py serve                  listeners as JSON on standard input, one a line: {"address", "port", "name", "transparent"}
    load.py connect PORT TO...     dials the addresses in turn until standard input ends

A listener says its name and hangs up. `connect` prints how often who answered, as JSON: {"ADDRESS NAME": COUNT}. Nobody's
name is `dropped` (no answer before a lost packet would be sent again) or the error. It hangs up with a reset, so that no
port stays in use.
"""
import errno
import json
import select
import socket
import struct
import sys
import time
from collections import Counter

IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75  # linux/in.h, linux/in6.h
PATIENCE = 0.9  # seconds: the kernel sends a SYN again after one
AT_ONCE = 24
REPORT = 20  # connections
RESET = struct.pack("ii", 1, 0)


def listen(spec):
    is_v6 = ":" in spec["address"]
    listener = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if is_v6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if spec["transparent"]:
        level, option = (socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if is_v6 else (socket.SOL_IP, IP_TRANSPARENT)
        listener.setsockopt(level, option, 1)
    listener.bind((spec["address"], spec["port"]))
    listener.listen(4096)
    listener.setblocking(False)
    return listener


def serve():
    listeners = {}
    poll = select.epoll()
    for line in sys.stdin:
        spec = json.loads(line)
        listener = listen(spec)
        listeners[listener.fileno()] = (listener, spec["name"].encode())
        poll.register(listener, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for descriptor, _ in poll.poll():
            listener, name = listeners[descriptor]
            try:
                while True:
                    connection, _ = listener.accept()
                    connection.send(name)
                    connection.close()
            except OSError:
                pass  # nobody waits any more, or the client went away


class Load:
    def __init__(self, port, addresses):
        self.port = port
        self.addresses = addresses
        self.dialled = 0
        self.open = {}  # by descriptor, the oldest first: socket, address, when
        self.answers = Counter()
        self.poll = select.epoll()

    def dial(self):
        address = self.addresses[self.dialled % len(self.addresses)]
        self.dialled += 1
        client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        error = client.connect_ex((address, self.port))
        if error not in (0, errno.EINPROGRESS):
            client.close()
            self.answers["%s %s" % (address, errno.errorcode[error])] += 1
            return
        self.open[client.fileno()] = (client, address, time.monotonic())
        self.poll.register(client, select.EPOLLIN)

    def finish(self, descriptor, who=None):
        client, address, _ = self.open.pop(descriptor)
        if who is None:
            try:
                who = client.recv(20).decode() or "closed"
            except OSError as error:
                who = errno.errorcode[error.errno]
        client.close()
        self.answers["%s %s" % (address, who)] += 1

    def give_up_the_oldest(self):
        now = time.monotonic()
        for descriptor, (_, _, when) in list(self.open.items()):
            if now - when < PATIENCE:
                return
            self.finish(descriptor, "dropped")

    def run(self):
        ends = sys.stdin.fileno()
        self.poll.register(ends, select.EPOLLIN)
        goes_on, reported = True, 0
        while goes_on or self.open:
            while goes_on and len(self.open) < AT_ONCE:
                self.dial()
            for descriptor, _ in self.poll.poll(0.1):
                if descriptor == ends:
                    self.poll.unregister(ends)
                    goes_on = False
                else:
                    self.finish(descriptor)
            self.give_up_the_oldest()
            if self.dialled - reported >= REPORT or not self.open:
                reported = self.dialled
                print(json.dumps(self.answers), flush=True)


if sys.argv[1] == "serve":
    serve()
else:
    Load(int(sys.argv[2]), sys.argv[3:]).run()
