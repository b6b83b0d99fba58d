"""Pods to measure in: processes with a network namespace, an address and a /run of their own."""
import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
import time
import traceback

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
MS_PRIVATE_EVERYWHERE = (1 << 18) | (1 << 14)  # MS_PRIVATE | MS_REC
ADDRESS = "240.240.240.240"
PR_SET_PDEATHSIG = 1
GO, END = b"g", b"e"
# The kernel takes a namespace down in the background, under locks that the next command may need.
SETTLE = 0.05  # seconds
LIBC = ctypes.CDLL(None, use_errno=True)


def batch(lines):
    """Several commands of `ip` by one process."""
    subprocess.run(["ip", "-batch", "-"], input="\n".join(lines), text=True, check=True)


def enter(address=ADDRESS):
    """Moves this process into a pod, with a /run and with it a lock of iptables of its own, as a container has."""
    if LIBC.unshare(CLONE_NEWNET | CLONE_NEWNS):
        sys.exit("cannot make a network namespace (%s): run this as root" % os.strerror(ctypes.get_errno()))
    if LIBC.mount(None, b"/", None, MS_PRIVATE_EVERYWHERE, None) or LIBC.mount(b"none", b"/run", b"tmpfs", 0, None):
        sys.exit("cannot mount: %s" % os.strerror(ctypes.get_errno()))
    batch(["link set lo up"] + (["address add %s/32 dev lo" % address] if address else []))


class Pod:
    """A child process in a pod: whenever it is told to go on, it does one step and sends what that gave."""

    def __init__(self, steps, address=ADDRESS):
        """`steps` is a generator function, called in the pod: all before its first `yield` is preparation."""
        (results, result), (waits, self._go) = os.pipe(), os.pipe()
        self._results = os.fdopen(results)
        self.process = os.fork()
        if self.process == 0:
            status = 1
            try:
                LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
                enter(address)
                for given in steps():
                    os.write(result, json.dumps(given).encode() + b"\n")
                    if os.read(waits, 1) != GO:
                        break
                status = 0
            except SystemExit as exit:
                print(exit, file=sys.stderr)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(result)
        os.close(waits)

    def result(self):
        line = self._results.readline()
        if not line:
            sys.exit("a measurement has failed: see above")
        return json.loads(line)

    def go(self):
        os.write(self._go, GO)

    def close(self):
        # Nothing ends by closing the pipe: pods that were made later have it as well.
        with contextlib.suppress(BrokenPipeError):
            os.write(self._go, END)
        os.close(self._go)
        self._results.close()
        os.waitpid(self.process, 0)


def in_fresh_pod(action):
    """What `action` returns when it is called in a pod of its own."""
    def once():
        yield action()
    pod = Pod(once)
    try:
        return pod.result()
    finally:
        pod.close()
        time.sleep(SETTLE)


class Neighbour:
    """A pod that has NAT hooks, as on every node with kube-proxy; None when `is_wanted` is false."""

    def __init__(self, is_wanted):
        def hooks():
            table = "table %s neighbour {\nchain %s {\ntype nat hook %s priority -100\n}\n}"
            tables = [table % (family, hook, hook) for family in ("ip", "ip6") for hook in ("prerouting", "output")]
            subprocess.run(["nft", "\n".join(tables)], check=True)
            yield None
        self.pod = Pod(hooks) if is_wanted else None

    def __enter__(self):
        if self.pod:
            self.pod.result()

    def __exit__(self, *_):
        if self.pod:
            self.pod.close()
