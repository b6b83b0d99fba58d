"""A command, run and looked at: how long it takes, and what it takes."""
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time


def timed(command):
    """Microseconds from start to end, and those of processor time, descendants included."""
    null = os.open(os.devnull, os.O_RDWR)
    streams = [(os.POSIX_SPAWN_DUP2, null, number) for number in (0, 1, 2)]
    start = time.perf_counter()
    child = os.posix_spawn(command[0], command, {"PATH": os.environ["PATH"]}, file_actions=streams)
    _, status, usage = os.wait4(child, 0)
    wall = time.perf_counter() - start
    os.close(null)
    succeeded(command, os.waitstatus_to_exitcode(status))
    return wall * 1e6, (usage.ru_utime + usage.ru_stime) * 1e6


def succeeded(command, status):
    """What fails is not measured."""
    if status:
        line = shlex.join(command)
        sys.exit("exit code %d: %s" % (status, line if len(line) < 400 else line[:400] + "..."))


def peak_memory(command):
    """KiB of the largest process. `time` is small itself: a child counts what its parent had when it was forked."""
    result = subprocess.run(["/usr/bin/time", "--format", "%M"] + command, capture_output=True, text=True)
    succeeded(command, result.returncode)
    return int(result.stderr.split()[-1])


def traced(command):
    """How many programs it starts, itself included, and how many system calls it makes."""
    with tempfile.NamedTemporaryFile("r") as trace:
        strace = ["strace", "-f", "-qq", "-e", "signal=none", "-o", trace.name]
        result = subprocess.run(strace + command, capture_output=True)
        succeeded(command, result.returncode)
        lines = trace.read().splitlines()
    programs = sum(line.endswith(" = 0") and re.search(r"execve(\(| resumed)", line) is not None for line in lines)
    # A call that another process interrupts has two lines.
    return programs, sum(" resumed>" not in line for line in lines)
