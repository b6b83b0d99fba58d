"""Sends the packets of probes.py from one network namespace, and hears who answers each."""
import os
import random
import select
import socket
import struct
import time

import sender

PATIENCE = 0.8  # seconds that an answer may take
AT_ONCE = 120
ECHO_REQUEST = {4: 8, 6: 128}
RESET_WAIT = 0.5  # seconds that a reset may take
ACK, SYN, RST = 0x10, 0x02, 0x04


def open_socket(question):
    if question["protocol"] != "icmp":
        client = sender.open_socket(question)
        if question["mark"]:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, question["mark"])
        return client
    os.setegid(question["gid"])
    os.seteuid(question["uid"])
    try:
        family, protocol = {4: (socket.AF_INET, socket.IPPROTO_ICMP), 6: (socket.AF_INET6, socket.IPPROTO_ICMPV6)}[
            question["family"]]
        return socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, protocol)
    finally:
        os.seteuid(0)
        os.setegid(0)


def dial(client, question):
    if question["protocol"] != "icmp":
        return sender.dial(client, question)
    try:
        client.connect((question["to"], 0))
        client.send(struct.pack("!BBHHH", ECHO_REQUEST[question["family"]], 0, 0, 0, 0))
    except OSError as error:
        return sender.failure(error)
    return None


def hear(client, question):
    if question["protocol"] != "icmp":
        return sender.hear(client)
    try:
        client.recv(200)
        return "echo"
    except OSError as error:
        return sender.failure(error)


def checksum(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ask_stray(question):
    """Sends a segment of no connection, and says what comes back."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as router:
        router.connect((question["to"], 9))
        source = router.getsockname()[0]
    port = random.randint(20000, 30000)
    addresses = socket.inet_aton(source) + socket.inet_aton(question["to"])
    segment = struct.pack("!HHIIBBHHH", port, question["port"], 1000, 2000, 0x50, SYN | ACK, 512, 0, 0)
    sum_ = checksum(addresses + struct.pack("!BBH", 0, socket.IPPROTO_TCP, len(segment)) + segment)
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP) as raw:
        raw.sendto(segment[:16] + struct.pack("!H", sum_) + segment[18:], (question["to"], 0))
        end = time.monotonic() + RESET_WAIT
        while (left := end - time.monotonic()) > 0:
            raw.settimeout(left)
            try:
                packet = raw.recv(200)
            except TimeoutError:
                break
            answer = packet[(packet[0] & 15) * 4:]
            if struct.unpack("!HH", answer[:4]) == (question["port"], port):
                return "reset" if answer[13] & RST else "answered"
    return "dropped"


def ask(questions):
    """The answers, in order. So many questions wait for theirs at once that silence costs little."""
    answers = ["dropped"] * len(questions)
    todo = list(reversed(range(len(questions))))
    poll, waiting = select.epoll(), {}

    def begin(place):
        question = questions[place]
        if question["protocol"] == "stray":
            answers[place] = ask_stray(question)
            return
        client = open_socket(question)
        failed = dial(client, question)
        if failed is None or failed == sender.STOPPED:
            waiting[client.fileno()] = (client, place, failed, time.monotonic() + PATIENCE)
            poll.register(client, select.EPOLLIN)
        else:
            answers[place] = failed
            client.close()

    while todo or waiting:
        while todo and len(waiting) < AT_ONCE:
            begin(todo.pop())
        for descriptor, _ in poll.poll(0.1):
            client, place, failed, _ = waiting.pop(descriptor)
            answer = hear(client, questions[place])
            answers[place] = "rejected" if failed == sender.STOPPED and answer == "closed" else answer
            client.close()
        now = time.monotonic()
        for descriptor in [each for each, (_, _, _, end) in waiting.items() if end < now]:
            waiting.pop(descriptor)[0].close()
    poll.close()
    return answers
