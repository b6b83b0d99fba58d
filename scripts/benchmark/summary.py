"""Many measurements in few numbers."""
import math
import os
import platform
import statistics


def percentile(values, percent):
    """The smallest value that so many percent of all do not exceed."""
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


def spread(values, unit="us"):
    """The median and how far the others are from it."""
    figures = {"median": statistics.median(values), "min": min(values), "q1": percentile(values, 25),
               "q3": percentile(values, 75), "p90": percentile(values, 90), "max": max(values)}
    return {"%s_%s" % (name, unit): round(value, 1) for name, value in figures.items()}


def machine():
    release = ".".join(platform.release().split(".")[:2])
    return "%s, %d processors, Linux %s" % (platform.machine(), os.cpu_count(), release)


def load():
    """How many processes wanted a processor during the last minute: others disturb."""
    return round(os.getloadavg()[0], 1)
