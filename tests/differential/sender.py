"""Sends packets of any owner, a batch at once, and says who answered each.

Standard input: a line of JSON for each batch, {"patience": SECONDS, "questions": [...]}; a question is {"family",
"protocol", "to", "port", "from", "uid", "gid"}. Standard output: a line of JSON for each batch, the answers in order:
`NAME|original destination|client address` of a listener, or closed, rejected, dropped, or the error. A line `forget` makes the
namespace forget its connections, and is answered when it is done: both ends of a cable forget before either sends.

One process sends for everybody: the owner match looks at the credentials that a socket was made with. What a packet is
waited for costs a batch its patience once, however many packets are dropped.
"""
import errno
import json
import os
import select
import socket
import struct
import sys
import time

RESET = struct.pack("ii", 1, 0)
NETLINK_NETFILTER, DELETE_CONNECTIONS = 12, 0x102  # linux/netlink.h, linux/netfilter/nfnetlink_conntrack.h
REQUEST_AND_ACKNOWLEDGE = 5
STOPPED = "stopped"


def forget_connections():
    """What another configuration has decided about a connection would hold for its ports."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.send(struct.pack("=IHHIIBBH", 20, DELETE_CONNECTIONS, REQUEST_AND_ACKNOWLEDGE, 1, 0, 0, 0, 0))
        error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
        if error not in (0, -errno.ENOENT):
            raise OSError(-error, "cannot forget connections")


def open_socket(question):
    os.setegid(question["gid"])
    os.seteuid(question["uid"])
    try:
        family = socket.AF_INET6 if question["family"] == 6 else socket.AF_INET
        kind = socket.SOCK_DGRAM if question["protocol"] == "udp" else socket.SOCK_STREAM
        client = socket.socket(family, kind | socket.SOCK_NONBLOCK)
    finally:
        os.seteuid(0)
        os.setegid(0)
    if question["protocol"] == "tcp":
        # No port stays in use.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    return client


def failure(error):
    if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET):
        return "closed"
    return "error: %s" % error.strerror


def dial(client, question):
    """Says why it cannot be dialled, or nothing. A rule that stops a packet on its way out makes send() not permitted; one
    that rejects it tells the socket as well, by a packet of its own that may take its time."""
    try:
        if question["from"]:
            client.bind((question["from"], 0))
        client.connect((question["to"], question["port"]))
        if question["protocol"] == "udp":
            client.send(b"?")
    except BlockingIOError:
        pass  # the answer is still to come
    except PermissionError:
        return STOPPED
    except OSError as error:
        return failure(error)
    return None


def hear(client):
    try:
        return client.recv(200).decode() or "closed"
    except OSError as error:
        return failure(error)


def ask(questions, patience):
    answers = ["dropped"] * len(questions)
    poll = select.epoll()
    waiting = {}
    for place, question in enumerate(questions):
        client = open_socket(question)
        failed = dial(client, question)
        if failed in (None, STOPPED):
            waiting[client.fileno()] = (client, place, failed)
            poll.register(client, select.EPOLLIN)
        else:
            answers[place] = failed
            client.close()
    end = time.monotonic() + patience
    while waiting and time.monotonic() < end:
        for descriptor, _ in poll.poll(max(0, end - time.monotonic())):
            client, place, failed = waiting.pop(descriptor)
            answer = hear(client)
            answers[place] = "rejected" if failed == STOPPED and answer == "closed" else answer
            client.close()
    for client, _, _ in waiting.values():
        client.close()
    poll.close()
    return answers


if __name__ == "__main__":
    print("ready", flush=True)
    for line in sys.stdin:
        if line == "forget\n":
            forget_connections()
            print("done", flush=True)
        else:
            batch = json.loads(line)
            print(json.dumps(ask(batch["questions"], batch["patience"])), flush=True)
