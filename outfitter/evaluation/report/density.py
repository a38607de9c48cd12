"""Where a mean lies when the users are drawn again: a histogram as inline SVG, with 0 and the ends of the interval marked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from outfitter.evaluation.bootstrap import Interval

BINS = 40
WIDTH, HEIGHT, FOOT = 760, 110, 34
LOSS, GAIN = "#d55e00", "#0072b2"


@dataclass(frozen=True)
class Density:
    """How many resampled means fall into each of equal bins from ``low`` to ``high``."""

    low: float
    high: float
    counts: tuple[int, ...]

    @classmethod
    def of(cls, means: NDArray[np.float64]) -> Density:
        """Of float64[samples]."""
        counts, edges = np.histogram(means, BINS)
        return cls(float(edges[0]), float(edges[-1]), tuple(int(count) for count in counts))


def density(drawn: Density, interval: Interval, form: str = "+.4f") -> str:
    """The bins below 0 in one colour and those above in another, so that the share of either can be seen."""
    left, right = min(drawn.low, 0.0), max(drawn.high, 0.0)
    scale = WIDTH / ((right - left) or 1.0) * 0.94
    edges = np.linspace(drawn.low, drawn.high, len(drawn.counts) + 1)
    tallest = max(drawn.counts)
    x = [0.03 * WIDTH + (edge - left) * scale for edge in edges]
    marks = [
        f'<rect x="{start:.1f}" y="{HEIGHT * (1 - count / tallest):.1f}" width="{max(0.5, stop - start - 0.5):.1f}" '
        f'height="{HEIGHT * count / tallest:.1f}" fill="{LOSS if (edge + following) / 2 < 0 else GAIN}"/>'
        for start, stop, count, edge, following in zip(x, x[1:], drawn.counts, edges, edges[1:], strict=False)
    ]
    zero, low, high = (0.03 * WIDTH + (value - left) * scale for value in (0.0, interval.low, interval.high))
    marks.append(f'<path d="M{zero:.1f} 0V{HEIGHT + 6}" stroke="#1c2430" fill="none"/>')
    marks.append(f'<text x="{zero:.1f}" y="{HEIGHT + 30}" class="middle">0</text>')
    marks.append(f'<path d="M{low:.1f} {HEIGHT + 4}H{high:.1f}M{low:.1f} {HEIGHT}v8M{high:.1f} {HEIGHT}v8" class="whisker"/>')
    marks += [
        f'<text x="{end:.1f}" y="{HEIGHT + 18}" class="middle">{value:{form}}</text>'
        for end, value in ((low, interval.low), (high, interval.high))
    ]
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT + FOOT}" role="img">{"".join(marks)}</svg>'
