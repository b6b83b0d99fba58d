"""A first apply in many pods at once, as on a node that starts."""
import random
import time

from benchmark import process, sandbox
from benchmark.candidates import FIRST, TRUE, Candidates
from benchmark.summary import percentile, spread


def together(command, count):
    """Microseconds until all have finished, and those of each."""
    def steps():
        yield None
        yield process.timed(command)[0]
    pods = [sandbox.Pod(steps) for _ in range(count)]
    for pod in pods:
        pod.result()
    start = time.perf_counter()
    for pod in pods:
        pod.go()
    each = [pod.result() for pod in pods]
    whole = (time.perf_counter() - start) * 1e6
    for pod in pods:
        pod.close()
    time.sleep(sandbox.SETTLE * (1 + count / 10))
    return whole, each


def measure(options, folder, progress):
    candidates = Candidates(options.binary, 1, options.peer, folder).commands
    wholes, each = {}, {}
    cases = [(name, count) for name in candidates if name != TRUE for count in options.pods]
    with sandbox.Neighbour(not options.alone):
        for number in range(options.runs):
            progress("pods", number, options.runs)
            for key in random.sample(cases, len(cases)):
                whole, own = together(candidates[key[0]][FIRST], key[1])
                wholes.setdefault(key, []).append(whole)
                each.setdefault(key, []).extend(own)
    rows = [{"command": name, "pods": count, **spread(wholes[name, count]),
             "pod_p50_us": round(percentile(each[name, count], 50)),
             "pod_p99_us": round(percentile(each[name, count], 99))} for name, count in cases]
    return {"runs": options.runs, "rows": rows}
