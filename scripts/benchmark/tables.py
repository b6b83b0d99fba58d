"""Results as tables in Markdown, which people can read on a terminal as well."""
from benchmark.candidates import AGAIN, CLEANUP, FIRST, ISTIO_BACKENDS, OURS, REPLACEMENT, TRUE


def table(head, rows):
    """Columns are as wide as they have to be: the text is read as it is, too."""
    cells = [head] + rows
    widths = [max(len(row[column]) for row in cells) for column in range(len(head))]

    def line(row):
        numbers = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:])]
        return "| %s |" % " | ".join([row[0].ljust(widths[0])] + numbers)

    rule = "|%s|" % "|".join(["-" * (widths[0] + 2)] + ["-" * (width + 1) + ":" for width in widths[1:]])
    return "\n".join([line(head), rule] + [line(row) for row in rows])


def digits(value):
    return "%.2f" % value if value < 10 else "%.1f" % value if value < 100 else "%.0f" % value


def milliseconds(row):
    return "%s (%s to %s)" % tuple(digits(row[name + "_us"] / 1000) for name in ("median", "q1", "q3"))


def row_of(result, command, phase):
    return next((row for row in result["rows"] if (row["command"], row["phase"]) == (command, phase)), None)


def ratio(row, ours, key):
    return digits(row[key] / ours[key])


def next_to_istio(result):
    """How many times what mesh-intercept takes, and what is started; None when istio-iptables was not measured."""
    phases = (FIRST, AGAIN, REPLACEMENT, CLEANUP)
    head = ["x " + OURS, *phases, "first: CPU", "first: memory", "programs of each"]
    rows = []
    for name in (OURS, *ISTIO_BACKENDS):
        measured = [row_of(result, name, phase) for phase in phases]
        if None in measured:
            return None
        ours = [row_of(result, OURS, phase) for phase in phases]
        rows.append([name, *(ratio(row, own, "median_us") for row, own in zip(measured, ours)),
                     ratio(measured[0], ours[0], "cpu_us"), ratio(measured[0], ours[0], "peak_kib"),
                     ", ".join(str(row["programs"]) for row in measured)])
    return table(head, rows)


def apply(result):
    head = ["", "ms (quartiles)", "lowest", "p90", "x `%s`" % TRUE, "x " + OURS, "CPU ms", "peak MiB", "programs",
            "system calls"]
    parts = []
    for phase in dict.fromkeys(row["phase"] for row in result["rows"]):
        ours = row_of(result, OURS, phase)
        rows = [[row["command"], milliseconds(row), digits(row["min_us"] / 1000), digits(row["p90_us"] / 1000),
                 "%.2f" % row["times_true"], ratio(row, ours, "median_us"), digits(row["cpu_us"] / 1000),
                 "%.1f" % (row["peak_kib"] / 1024), str(row["programs"]), "{:,}".format(row["system_calls"])]
                for row in result["rows"] if row["phase"] == phase]
        parts.append("**%s**\n\n%s" % (phase.capitalize(), table(head, rows)))
    return "\n\n".join(parts)


def by(column, title, result, cell, last=None):
    """A row for each command and a column for each value of `column`; `last` is one more, about the highest value."""
    values = sorted({row[column] for row in result["rows"]})
    names = dict.fromkeys(row["command"] for row in result["rows"])
    found = {(row["command"], row[column]): row for row in result["rows"]}
    head = [title] + ["{:,}".format(value) for value in values] + ([last[0]] if last else [])
    rows = []
    for name in names:
        cells = [cell(found[name, value]) if (name, value) in found else "" for value in values]
        most = max(value for value in values if (name, value) in found)
        rows.append([name] + cells + ([last[1](found[name, most])] if last else []))
    return table(head, rows)


def ranges(result):
    peak = ("peak MiB, most ranges", lambda row: "%.1f" % (row["peak_kib"] / 1024))
    return ("Milliseconds, median.\n\n"
            + by("ranges", "excluded ranges", result, lambda row: digits(row["median_us"] / 1000), peak))


def connect(result):
    return ("Microseconds: the median of the batches' medians, and the lowest.\n\n"
            + by("ranges", "excluded ranges", result, lambda row: "%.1f / %.1f" % (row["median_us"], row["min_us"])))


def pods(result):
    slowest = ("p99 of one pod, most pods", lambda row: digits(row["pod_p99_us"] / 1000))
    return ("Milliseconds until all are done, median.\n\n"
            + by("pods", "pods at once", result, lambda row: digits(row["median_us"] / 1000), slowest))


def source(result):
    return "`%s` (%s; load %s when it began)" % (result["command"], result["machine"], result["load"])


def text(result):
    """What was run where, and the table."""
    tables = {"apply": apply, "ranges": ranges, "connect": connect, "pods": pods}
    return "%s\n\n%s" % (source(result), tables[result["subject"]](result))
