"""Puts results into docs/performance.md and docs/plots: what is read and what is seen come from the same run."""
import os
import re
import sys

from benchmark import plots, tables
from benchmark.candidates import TOP

DOCUMENT = os.path.join(TOP, "docs", "performance.md")
PLOTS = os.path.join(TOP, "docs", "plots")


def replaced(document, name, text):
    """The document with another text between the two comments of this name."""
    pattern = r"(<!-- figures: %s -->\n).*?(<!-- end of figures -->)" % re.escape(name)
    new, count = re.subn(pattern, lambda found: "%s\n%s\n\n%s" % (found[1], text, found[2]), document, flags=re.DOTALL)
    if count != 1:
        sys.exit("docs/performance.md has %d places for the figures of `%s`" % (count, name))
    return new


def write(results):
    with open(DOCUMENT) as file:
        document = file.read()
    os.makedirs(PLOTS, exist_ok=True)
    for result in results:
        text = tables.text(result)
        for name, picture in plots.pictures(result).items():
            with open(os.path.join(PLOTS, name), "w") as file:
                file.write(picture)
            title = re.search(r'aria-label="([^"]*)"', picture)[1]
            text += "\n\n![%s](plots/%s)" % (title, name)
        document = replaced(document, result["name"], text)
    with open(DOCUMENT, "w") as file:
        file.write(document)
