"""The pictures of docs/performance.md."""
from benchmark import svg

NOTE = "both axes logarithmic, median with quartiles; %s"


def chart_of(result, x, title, x_name, factor):
    """A line for each command, over what is in the rows' column `x`."""
    rows = [row for row in result["rows"] if row[x]]
    series = {}
    for row in rows:
        figures = [row[name + "_us"] / factor for name in ("median", "q1", "q3")]
        series.setdefault(row["command"].replace(", the same rules", ""), []).append((row[x], *figures))
    places = sorted({row[x] for row in rows})
    # One place is no line.
    return svg.chart(title, NOTE % result["machine"], x_name, places, series) if len(places) > 1 else None


def pictures(result):
    """File names and contents."""
    charts = {
        "ranges": lambda: chart_of(result, "ranges", "First apply, milliseconds", "excluded ranges", 1000),
        "connect": lambda: chart_of(result, "ranges", "connect() through the rules, microseconds", "excluded ranges",
                                    1),
        "pods": lambda: chart_of(result, "pods", "First apply in many pods at once: milliseconds until all are done",
                                 "pods at once", 1000),
    }
    chart = charts[result["subject"]]() if result["subject"] in charts else None
    return {result["subject"] + ".svg": chart} if chart else {}
