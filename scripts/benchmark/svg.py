"""A line chart as SVG: text as text, the same bytes for the same figures, legible on light and dark."""
import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 800, 400
LEFT, RIGHT, TOP, BOTTOM = 62, 246, 66, 52
LABEL_HEIGHT = 17
# Distinguishable also without red or green; the second of each pair is for a dark background.
COLOURS = [("#0072b2", "#56b4e9"), ("#d55e00", "#ff8a3d"), ("#a5528a", "#e29bc8"), ("#007a5a", "#2fc295"),
           ("#8a6d00", "#e0b83a"), ("#5b5b5b", "#b0b0b0"), ("#7a3b00", "#d39b63"),
           ("#c2185b", "#ff7aa8"), ("#3f51b5", "#9fa8ff"), ("#4a7c00", "#a6d94a")]
FONTS = "-apple-system, Segoe UI, Noto Sans, DejaVu Sans, Helvetica, Arial, sans-serif"
STYLE = """
.card { fill: #ffffff; stroke: #d8dee4 }
.title { font-size: 16px; font-weight: 600; fill: #1f2328 }
.note, .tick { font-size: 12px; fill: #59636e }
.grid { stroke: #e4e8ec; stroke-width: 1 }
.label { font-size: 12px; font-weight: 600 }
.line { fill: none; stroke-width: 2.2; stroke-linejoin: round; stroke-linecap: round }
.lead { fill: none; stroke-width: 1; opacity: .55 }
.band { opacity: .13; stroke: none }
"""
DARK_STYLE = """.card { fill: #151b23; stroke: #3d444d }
.title { fill: #f0f6fc }
.note, .tick { fill: #9198a1 }
.grid { stroke: #2a313a }
.band { opacity: .2 }
"""


def number(value):
    return "%.1f" % value


def ticks(low, high):
    """1, 2 and 5 times the powers of ten; only the powers where those were too many."""
    powers = [10.0 ** power for power in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)]
    factors = (1, 2, 5) if high / low < 1000 else (1,)
    found = [power * factor for power in powers for factor in factors]
    return [tick for tick in found if low * 0.999 <= tick <= high * 1.001]


class Scale:
    """From values to places, by their logarithm."""

    def __init__(self, low, high, begin, end):
        self.low, self.high, self.begin, self.end = low, high, begin, end

    def __call__(self, value):
        part = math.log(value / self.low) / math.log(self.high / self.low)
        return self.begin + part * (self.end - self.begin)


def apart(places, least, most):
    """The places of labels, moved so that none covers another."""
    order = sorted(range(len(places)), key=lambda index: places[index])
    moved = list(places)
    for before, index in zip(order, order[1:]):
        moved[index] = max(moved[index], moved[before] + LABEL_HEIGHT)
    excess = max(0, moved[order[-1]] - most)
    for later, index in zip([None] + order[::-1], order[::-1]):
        limit = most if later is None else moved[later] - LABEL_HEIGHT
        moved[index] = max(least, min(moved[index], limit)) if excess else moved[index]
    return moved


def chart(title, note, x_name, x_ticks, series):
    """Lines of (x, y, low, high) by name, the first of which it is about. Both axes are logarithmic."""
    points = [point for line in series.values() for point in line]
    y_low, y_high = min(point[2] for point in points) * 0.85, max(point[3] for point in points) * 1.15
    x_of = Scale(min(x_ticks), max(x_ticks), LEFT, WIDTH - RIGHT)
    y_of = Scale(y_low, y_high, HEIGHT - BOTTOM, TOP)
    light, dark = (" ".join(".c%d { stroke: %s; fill: %s }" % (index, pair[side], pair[side])
                            for index, pair in enumerate(COLOURS)) for side in (0, 1))
    # What says `none` comes after the colours.
    after = ".line, .lead { fill: none } .c0.line { stroke-width: 3.4 } .band, .label { stroke: none }"
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img"'
           % (WIDTH, HEIGHT, WIDTH, HEIGHT),
           ' aria-label="%s" font-family="%s">' % (escape(title, {'"': "&quot;"}), FONTS),
           "<style>%s%s\n@media (prefers-color-scheme: dark) {\n%s%s\n}\n%s\n</style>"
           % (STYLE, light, DARK_STYLE, dark, after),
           '<rect class="card" x="0.5" y="0.5" width="%d" height="%d" rx="8"/>' % (WIDTH - 1, HEIGHT - 1),
           '<text class="title" x="20" y="29">%s</text>' % escape(title),
           '<text class="note" x="20" y="48">%s</text>' % escape(note)]
    for value in ticks(y_low, y_high):
        y = number(y_of(value))
        out.append('<path class="grid" d="M%d %sH%d"/>' % (LEFT, y, WIDTH - RIGHT))
        out.append('<text class="tick" x="%d" y="%s" dy="4" text-anchor="end">%s</text>'
                   % (LEFT - 8, y, "{:,g}".format(value)))
    for value in x_ticks:
        x = number(x_of(value))
        out.append('<path class="grid" d="M%s %dV%d"/>' % (x, TOP, HEIGHT - BOTTOM))
        out.append('<text class="tick" x="%s" y="%d" text-anchor="middle">%s</text>'
                   % (x, HEIGHT - BOTTOM + 19, "{:,}".format(value)))
    middle = (LEFT + WIDTH - RIGHT) // 2
    out.append('<text class="note" x="%d" y="%d" text-anchor="middle">%s</text>'
               % (middle, HEIGHT - 13, escape(x_name)))
    ends = [y_of(line[-1][1]) for line in series.values()]
    labels = apart(ends, TOP + 4, HEIGHT - BOTTOM)
    for index, ((name, line), end, label) in enumerate(zip(series.items(), ends, labels)):
        colour = "c%d" % (index % len(COLOURS))
        upper = ["%s %s" % (number(x_of(x)), number(y_of(high))) for x, _, _, high in line]
        lower = ["%s %s" % (number(x_of(x)), number(y_of(low))) for x, _, low, _ in reversed(line)]
        out.append('<path class="band %s" d="M%sZ"/>' % (colour, "L".join(upper + lower)))
        path = "L".join("%s %s" % (number(x_of(x)), number(y_of(y))) for x, y, _, _ in line)
        out.append('<path class="line %s" d="M%s"/>' % (colour, path))
        for x, y, _, _ in line:
            out.append('<circle class="%s" cx="%s" cy="%s" r="3"/>' % (colour, number(x_of(x)), number(y_of(y))))
        last = x_of(line[-1][0])
        side = WIDTH - RIGHT + 14
        out.append('<path class="lead %s" d="M%s %sL%d %s"/>'
                   % (colour, number(last + 4), number(end), side - 3, number(label)))
        out.append('<text class="label %s" x="%d" y="%s" dy="4">%s</text>'
                   % (colour, side, number(label), escape(name)))
    return "\n".join(out) + "\n</svg>\n"
