"""Plays the parts in a test namespace: listeners that say who they are, and clients that say who answered.

    actor.py serve   listeners as JSON on standard input, one a line: {"family", "protocol", "address", "port", "name"}
    actor.py ask     questions as JSON on standard input, one a line: {"family", "protocol", "to", "port", "from"}

A listener answers `NAME|original destination|client address`; `ask` prints that, or closed, dropped, or the error.
"""
import errno
import json
import select
import socket
import struct
import sys

SO_ORIGINAL_DST = 80  # linux/netfilter_ipv4.h
IP_TRANSPARENT, IPV6_TRANSPARENT = 19, 75  # linux/in.h, linux/in6.h
IP_PKTINFO, IPV6_RECVPKTINFO = 8, 49  # linux/in.h, linux/in6.h
PATIENCE = 0.7  # seconds that a client waits: packets that are dropped are never answered


def open_socket(spec):
    family = socket.AF_INET6 if spec["family"] == 6 else socket.AF_INET
    kind = socket.SOCK_DGRAM if spec["protocol"] == "udp" else socket.SOCK_STREAM
    return socket.socket(family, kind)


def listen(spec):
    listener = open_socket(spec)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if spec["family"] == 6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if spec.get("transparent"):
        level, option = (socket.IPPROTO_IPV6, IPV6_TRANSPARENT) if spec["family"] == 6 else (socket.SOL_IP, IP_TRANSPARENT)
        listener.setsockopt(level, option, 1)
    if spec["protocol"] == "udp":
        asked = (socket.IPPROTO_IPV6, IPV6_RECVPKTINFO) if spec["family"] == 6 else (socket.SOL_IP, IP_PKTINFO)
        listener.setsockopt(*asked, 1)
    listener.bind((spec["address"], spec["port"]))
    if spec["protocol"] == "tcp":
        listener.listen(1024)
    return listener


def original_destination(connection):
    """What the client dialled: conntrack knows it after a redirect, the socket itself after TPROXY."""
    try:
        if connection.family == socket.AF_INET:
            port, address = struct.unpack("!2xH4s8x", connection.getsockopt(socket.SOL_IP, SO_ORIGINAL_DST, 16))
            return "%s:%d" % (socket.inet_ntoa(address), port)
        port, address = struct.unpack("!2xH4x16s4x", connection.getsockopt(socket.IPPROTO_IPV6, SO_ORIGINAL_DST, 28))
        return "[%s]:%d" % (socket.inet_ntop(socket.AF_INET6, address), port)
    except OSError:
        name = connection.getsockname()
        return ("[%s]:%d" if connection.family == socket.AF_INET6 else "%s:%d") % name[:2]


def answer_datagram(listener, name):
    """From the address that the question went to: the client takes an answer from nowhere else."""
    _, info, _, client = listener.recvmsg(512, 64)
    level, kind, data = info[0]
    # The interface is left to the routes.
    address = struct.pack("I4s4x", 0, data[4:8]) if level == socket.SOL_IP else data[:16] + bytes(4)
    listener.sendmsg([("%s||%s" % (name, client[0])).encode()], [(level, kind, address)], 0, client)


def serve(specs):
    listeners = {}
    for spec in specs:
        listeners[listen(spec)] = spec
    print("ready", flush=True)
    while True:
        for listener in select.select(list(listeners), [], [])[0]:
            spec = listeners[listener]
            try:
                if spec["protocol"] == "udp":
                    answer_datagram(listener, spec["name"])
                else:
                    connection, client = listener.accept()
                    connection.sendall(("%s|%s|%s" % (spec["name"], original_destination(connection), client[0])).encode())
                    connection.close()
            except OSError:
                pass  # the client went away


def refused(client):
    """What it means that send() is not permitted: a rule that rejects also tells the socket."""
    poll = select.poll()
    poll.register(client, 0)
    poll.poll(200)
    error = client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    return "rejected" if error == errno.ECONNREFUSED else "dropped"


def ask_one(question):
    with open_socket(question) as client:
        client.settimeout(PATIENCE)
        try:
            if question.get("from"):
                client.bind((question["from"], 0))
            # The interface of a link-local address is a number in the socket's address.
            client.connect(socket.getaddrinfo(question["to"], question["port"], client.family, client.type)[0][4])
            if question["protocol"] == "udp":
                client.send(b"?")
            return client.recv(200).decode() or "closed"
        except socket.timeout:
            return "dropped"
        except OSError as error:
            if error.errno == errno.EPERM:
                return refused(client)
            if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
                return "closed"
            return "error: %s" % error.strerror


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve([json.loads(line) for line in sys.stdin])
    else:
        for line in sys.stdin:
            print(ask_one(json.loads(line)), flush=True)
