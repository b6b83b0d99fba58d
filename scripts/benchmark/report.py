"""Puts results into the documents and docs/plots: what is read and what is seen come from the same run."""
import os
import re
import sys

from benchmark import plots, tables
from benchmark.candidates import TOP

DOCUMENT = "docs/performance.md"
# Those that compare with istio-iptables.
NEXT_TO_ISTIO = ("README.md", "docs/comparison.md", DOCUMENT)
PLOTS = os.path.join(TOP, "docs", "plots")


def replace(path, name, text):
    """Puts another text between the two comments of this name."""
    path_of_file = os.path.join(TOP, path)
    with open(path_of_file) as file:
        document = file.read()
    pattern = r"(<!-- figures: %s -->\n).*?(<!-- end of figures -->)" % re.escape(name)
    new, count = re.subn(pattern, lambda found: "%s\n%s\n\n%s" % (found[1], text, found[2]), document, flags=re.DOTALL)
    if count != 1:
        sys.exit("%s has %d places for the figures of `%s`" % (path, count, name))
    with open(path_of_file, "w") as file:
        file.write(new)


def write(results):
    os.makedirs(PLOTS, exist_ok=True)
    for result in results:
        text = tables.text(result)
        for name, picture in plots.pictures(result).items():
            with open(os.path.join(PLOTS, name), "w") as file:
                file.write(picture)
            title = re.search(r'aria-label="([^"]*)"', picture)[1]
            text += "\n\n![%s](plots/%s)" % (title, name)
        replace(DOCUMENT, result["name"], text)
        summary = tables.next_to_istio(result) if result["name"] == "apply" else None
        if summary:
            for path in NEXT_TO_ISTIO:
                replace(path, "istio", "%s\n\n%s" % (tables.source(result), summary))
