"""A first apply as the number of excluded ranges grows."""
import random

from benchmark import apply, process, sandbox
from benchmark.candidates import FIRST, TRUE, Candidates
from benchmark.summary import spread


def measure(options, folder, progress):
    commands = {}
    for count in options.counts:
        for name, phases in Candidates(options.binary, count, options.peer, folder).commands.items():
            if name != TRUE and FIRST in phases:
                commands[name, count] = {FIRST: phases[FIRST]}
    walls = {key: [] for key in commands}
    with sandbox.Neighbour(not options.alone):
        for number in range(options.runs):
            progress("ranges", number, options.runs)
            for key, phases in random.sample(list(commands.items()), len(commands)):
                walls[key].append(apply.phases_of(phases, process.timed)[FIRST][0])
        peaks = {key: apply.phases_of(phases, process.peak_memory)[FIRST] for key, phases in commands.items()}
    rows = [{"command": name, "ranges": count, **spread(walls[name, count]), "peak_kib": peaks[name, count]}
            for name, count in commands]
    return {"runs": options.runs, "rows": rows}
