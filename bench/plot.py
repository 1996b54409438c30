"""The plot: devices per second against existing devices, as an SVG that is legible on light and on dark."""

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import ceil, log10
from typing import Final, NamedTuple

from bench.figure import Figure

_WIDTH: Final = 860
_HEIGHT: Final = 440
_LEFT: Final = 80
_RIGHT: Final = 620
_TOP: Final = 30
_BOTTOM: Final = 380
_COLOURS: Final = ("#3b82f6", "#10b981", "#f59e0b", "#ef4444", "#a855f7", "#64748b")
_INK: Final = "#808080"
_STEPS: Final = 5
_LEGEND_ROW: Final = 22

Points = Sequence[tuple[int, float]]


class _Line(NamedTuple):
    label: str
    colour: str
    is_dashed: bool
    points: Points


class _Scale(NamedTuple):
    """From devices and rates to places on the drawing."""

    least: float
    most: float
    top: float

    def x(self, devices: float) -> float:
        """Return how far right a number of devices lies."""
        return _LEFT + (_RIGHT - _LEFT) * (log10(devices) - self.least) / ((self.most - self.least) or 1)

    def y(self, rate: float) -> float:
        """Return how far down a rate lies."""
        return _BOTTOM - (_BOTTOM - _TOP) * rate / self.top


def draw(figures: Iterable[Figure]) -> str:
    """Return the plot of every figure that has a place in it."""
    lines = _lines([figure for figure in figures if figure.point])
    every = [point for line in lines for point in line.points]
    places = [log10(devices) for devices, _ in every] or [0.0]
    scale = _Scale(min(places), max(places), _round_up(max((rate for _, rate in every), default=1.0)))
    parts = [*_axes(scale, sorted({devices for devices, _ in every}))]
    for row, line in enumerate(lines):
        parts += [*_curve(line, scale), *_legend(line, row)]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" '
        f'font-size="12" fill="{_INK}">'
    )
    return "\n".join([head, "<title>Devices created per second, by devices that exist</title>", *parts, "</svg>", ""])


def _lines(figures: Sequence[Figure]) -> list[_Line]:
    ours: dict[str, list[tuple[int, float]]] = {}
    bases: dict[str, list[tuple[int, float]]] = {}
    for figure in figures:
        assert figure.point is not None
        ours.setdefault(figure.point.line, []).append((figure.point.devices, figure.value))
        if figure.base is not None:
            bases.setdefault(figure.point.line, []).append((figure.point.devices, figure.base))
    colours: Mapping[str, str] = dict(zip(ours, _COLOURS, strict=False))
    found = [_Line(label, colours[label], is_dashed=False, points=sorted(points)) for label, points in ours.items()]
    bare = [_Line(f"{label}, bare", colours[label], is_dashed=True, points=sorted(at)) for label, at in bases.items()]
    return found + bare


def _round_up(rate: float) -> float:
    unit: float = 10.0 ** int(log10(rate)) / 2
    return ceil(rate / unit) * unit


def _axes(scale: _Scale, levels: Iterable[int]) -> Iterable[str]:
    for step in range(_STEPS + 1):
        rate = scale.top * step / _STEPS
        yield _stroke(_LEFT, scale.y(rate), _RIGHT, scale.y(rate), _INK, 'stroke-opacity="0.3"')
        yield _text(_LEFT - 8, scale.y(rate) + 4, f"{rate:,.0f}", "end")
    for devices in levels:
        yield _stroke(scale.x(devices), _BOTTOM, scale.x(devices), _BOTTOM + 5, _INK)
        yield _text(scale.x(devices), _BOTTOM + 20, _short(devices), "middle")
    yield _text((_LEFT + _RIGHT) / 2, _BOTTOM + 44, "devices that exist (logarithmic)", "middle")
    yield _text(_LEFT, _TOP - 12, "devices created per second", "start")


def _curve(line: _Line, scale: _Scale) -> Iterable[str]:
    places = [(scale.x(devices), scale.y(rate)) for devices, rate in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="2"{_dashes(line)}/>'
    if not line.is_dashed:
        for x, y in places:
            yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{line.colour}"/>'


def _legend(line: _Line, row: int) -> Iterable[str]:
    y = _TOP + 10 + row * _LEGEND_ROW
    yield _stroke(_RIGHT + 24, y, _RIGHT + 54, y, line.colour, f'stroke-width="2"{_dashes(line)}')
    yield _text(_RIGHT + 62, y + 4, line.label, "start")


def _dashes(line: _Line) -> str:
    return ' stroke-dasharray="5 4" stroke-opacity="0.7"' if line.is_dashed else ""


def _stroke(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _short(devices: int) -> str:
    return f"{devices // 1_000_000} M" if devices >= 1_000_000 else f"{devices // 1000} k"  # noqa: PLR2004 (a million)
