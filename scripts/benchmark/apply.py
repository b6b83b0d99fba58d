"""A first apply, an unchanged second run, a replacement and a cleanup, one after the other in one pod."""
import random
import statistics

from benchmark import process, sandbox
from benchmark.candidates import FIRST, TRUE, Candidates
from benchmark.summary import spread


def phases_of(commands, look):
    """What `look` says of each phase's command, in a fresh pod."""
    return dict(zip(commands, sandbox.in_fresh_pod(lambda: [look(command) for command in commands.values()])))


def measure(options, folder, progress):
    candidates = Candidates(options.binary, options.ranges, options.peer, folder).commands
    measured = {name: {phase: [] for phase in commands} for name, commands in candidates.items()}
    with sandbox.Neighbour(not options.alone):
        for number in range(options.runs):
            progress("apply", number, options.runs)
            # In another order each time: what ran before leaves its mark.
            for name, commands in random.sample(list(candidates.items()), len(candidates)):
                for phase, figures in phases_of(commands, process.timed).items():
                    measured[name][phase].append(figures)
        peaks = {name: phases_of(commands, process.peak_memory) for name, commands in candidates.items()}
        traces = {name: phases_of(commands, process.traced) for name, commands in candidates.items()}
    floor = statistics.median(wall for wall, _ in measured[TRUE][FIRST])
    rows = []
    for name, phases in measured.items():
        for phase, figures in phases.items():
            walls = [wall for wall, _ in figures]
            programs, calls = traces[name][phase]
            rows.append({"command": name, "phase": phase, **spread(walls),
                         "times_true": round(statistics.median(walls) / floor, 2),
                         "cpu_us": round(statistics.median(cpu for _, cpu in figures)),
                         "peak_kib": peaks[name][phase], "programs": programs, "system_calls": calls})
    return {"runs": options.runs, "ranges": options.ranges, "rows": rows}
