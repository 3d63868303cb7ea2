"""A run as a picture (SVG): its latencies, its requests and errors, the memory of the target."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from load.record import Record

WIDTH, LEFT, RIGHT, TOP = 860, 64, 84, 56
HEIGHT, GAP = 130, 44  # of a panel, and below it
MEGABYTE = 1_000_000
# Told apart by who sees no red or green, too (Okabe and Ito's).
BLUE, ORANGE, PURPLE, RED, GREY = "#0072b2", "#d55e00", "#cc79a7", "#c00000", "#666666"


@dataclass(frozen=True)
class Line:
    name: str
    color: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Panel:
    title: str
    lines: Sequence[Line]
    bars: Sequence[tuple[float, float, float]] = ()  # from, to, value


def draw(record: Record, seconds: int) -> str:
    panels = _panels(record, seconds)
    height = TOP + len(panels) * (HEIGHT + GAP)
    ask = f"{record.target}, {record.profile}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img"'
        ' font-family="sans-serif" font-size="12">',
        f"<title>Load on the {escape(ask)}</title>",
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        _text(LEFT, 22, f"Load on the {ask}: {told(record)}", weight="bold"),
        _text(LEFT, 40, f"{record.date}, {record.machine}", color=GREY),
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (HEIGHT + GAP) + 16, seconds)
    return "\n".join([*parts, "</svg>"]) + "\n"


def told(record: Record) -> str:
    words = [
        f"{record.requests:,} requests",
        f"{sum(record.errors.values()):,} errors",
        f"p95 {record.p95:.1f} ms",
    ]
    if (growth := record.growth()) is not None:
        words.append(f"memory {growth:+.1%}")
    return ", ".join(words)


def _panels(record: Record, seconds: int) -> list[Panel]:
    ends = [slot.second for slot in record.slots[1:]] + [seconds]
    spans = list(zip(record.slots, ends, strict=True))

    def each(value: Callable[[int], float]) -> list[tuple[float, float]]:
        return [
            ((slot.second + end) / 2, value(number)) for number, (slot, end) in enumerate(spans)
        ]

    slots = record.slots
    return [
        Panel(
            "milliseconds",
            [
                Line("p99", PURPLE, each(lambda at: slots[at].p99)),
                Line("p95", ORANGE, each(lambda at: slots[at].p95)),
                Line("p50", BLUE, each(lambda at: slots[at].p50)),
            ],
        ),
        Panel(
            "requests a second, and errors",
            [
                Line(
                    "requests",
                    BLUE,
                    each(lambda at: slots[at].requests / (ends[at] - slots[at].second)),
                )
            ],
            [
                (slot.second, end, slot.errors / (end - slot.second))
                for slot, end in spans
                if slot.errors
            ],
        ),
        Panel(
            "resident memory, MB",
            [Line("resident", BLUE, [(at.second, at.resident / MEGABYTE) for at in record.memory])],
        ),
    ]


def _panel(panel: Panel, top: int, seconds: int) -> list[str]:
    bottom, right = top + HEIGHT, WIDTH - RIGHT
    values = [value for line in panel.lines for _, value in line.points]
    limit = scale_end(max([*values, *(value for _, _, value in panel.bars), 0]))

    def x(second: float) -> float:
        return round(LEFT + second / seconds * (right - LEFT), 1)

    def y(value: float) -> float:
        return round(bottom - value / limit * HEIGHT, 1)

    parts = [_text(LEFT, top - 6, panel.title, color=GREY)]
    for quarter in range(5):
        value = limit * quarter / 4
        parts.append(f'<path d="M{LEFT} {y(value)}H{right}" stroke="#dddddd"/>')
        parts.append(_text(LEFT - 6, y(value) + 4, f"{value:g}", anchor="end", color=GREY))
    for quarter in range(5):
        at = seconds * quarter / 4
        shown = f"{at / 60:g} min" if seconds > 120 else f"{at:g} s"
        parts.append(_text(x(at), bottom + 16, shown, anchor="middle", color=GREY))
    for start, end, value in panel.bars:
        parts.append(f'<path d="M{x(start)} {bottom}V{y(value)}H{x(end)}V{bottom}Z" fill="{RED}"/>')
    # Names stand where their lines end, and above one another where those meet.
    height = float(bottom + 18)
    for line in reversed(panel.lines):
        path = " ".join(f"{x(second)},{y(value)}" for second, value in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{line.color}"/>')
        if line.points:
            height = min(y(line.points[-1][1]) + 4, height - 14)
            parts.append(_text(right + 6, height, line.name, color=line.color))
    return parts


def scale_end(largest: float) -> float:
    """The next of 1, 2, 4, 6, 8 times a power of ten: its quarters are short numbers."""
    power = 1e-3
    while largest > 10 * power:
        power *= 10
    for lower, upper in pairwise((0, 1, 2, 4, 6, 8, 10)):
        if lower * power <= largest <= upper * power:
            return round(upper * power, 6)
    return 1.0


def _text(
    x: float, y: float, text: str, *, anchor: str = "start", weight: str = "", color: str = "black"
) -> str:
    bold = f' font-weight="{weight}"' if weight else ""
    return (
        f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="{color}"{bold}>{escape(text)}</text>'
    )
