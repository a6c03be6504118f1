"""Plain SVG charts of a benchmark, with no library: lines over time in seconds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape

Points = Sequence[tuple[float, float]]
At = Callable[[tuple[float, float]], tuple[float, float]]
WIDTH, PLOT, LEFT, GAP = 760, 150, 64, 52
STYLE = """
  svg { background: #ffffff }
  text { font: 12px system-ui, sans-serif; fill: #57606a }
  .title { font-weight: 600; fill: #24292f }
  .axis { stroke: #d0d7de }
  .limit { stroke: #cf222e; stroke-dasharray: 5 4 }
"""
_STEP = 5  # seconds between labels
COLOURS = ("#0969da", "#8250df", "#1a7f37", "#bc4c00")


@dataclass
class Chart:
    """One panel. `limit`: a dashed line and its name."""

    title: str
    lines: Mapping[str, Points] = field(default_factory=dict)
    limit: tuple[str, float] | None = None

    def top(self) -> float:
        values = [y for points in self.lines.values() for _, y in points]
        return max([*values, self.limit[1] if self.limit else 0.0, 1e-9]) * 1.08


def svg(charts: Sequence[Chart], seconds: float) -> str:
    """All panels below each other, over the same time."""
    height = len(charts) * (PLOT + GAP) + 20
    parts = [_panel(chart, 30 + n * (PLOT + GAP), seconds) for n, chart in enumerate(charts)]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}">'
    return "\n".join([head, f"<style>{STYLE}</style>", *parts, "</svg>\n"])


def _panel(chart: Chart, above: int, seconds: float) -> str:
    top = chart.top()

    def at(point: tuple[float, float]) -> tuple[float, float]:
        x = LEFT + point[0] / seconds * (WIDTH - LEFT - 20)
        return round(x, 1), round(above + PLOT * (1 - point[1] / top), 1)

    parts = [f'<text class="title" x="{LEFT}" y="{above - 10}">{escape(chart.title)}</text>']
    for share in (0.0, 0.5, 1.0):
        x, y = at((0.0, top / 1.08 * share))
        parts.append(f'<line class="axis" x1="{x}" x2="{WIDTH - 20}" y1="{y}" y2="{y}"/>')
        label = f"{top / 1.08 * share:,.0f}"
        parts.append(f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{label}</text>')
    for second in range(0, int(seconds) + 1, _STEP):
        x, y = at((float(second), 0.0))
        parts.append(f'<text x="{x}" y="{y + 16}" text-anchor="middle">{second} s</text>')
    parts += [_line(points, at, n) for n, points in enumerate(chart.lines.values())]
    for number, name in enumerate(chart.lines):
        x = WIDTH - 20 - 150 * (len(chart.lines) - number)
        colour = COLOURS[number]
        parts.append(f'<text x="{x}" y="{above - 10}" style="fill:{colour}">{escape(name)}</text>')
    if chart.limit is not None:
        x, y = at((0.0, chart.limit[1]))
        parts.append(f'<line class="limit" x1="{x}" x2="{WIDTH - 20}" y1="{y}" y2="{y}"/>')
        name = escape(chart.limit[0])
        parts.append(f'<text x="{WIDTH - 24}" y="{y - 4}" text-anchor="end">{name}</text>')
    return "\n".join(parts)


def _line(points: Points, at: At, number: int) -> str:
    path = " ".join(f"{x},{y}" for x, y in map(at, points))
    return f'<polyline points="{path}" fill="none" stroke="{COLOURS[number]}" stroke-width="1.5"/>'
