"""What a delivery as a whole is held to, stated fact by fact: a figure, the bounds it should lie in, and what a failure does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Effect = Literal["reject", "hold", "warn"]


@dataclass(frozen=True)
class Fact:
    """One figure of a delivery and what is expected of it.

    subject: what the figure is, in words; the heading on the page. low, high: inclusive; None is no bound. expected: the sentence on
    the page. said: the sentence when it fails. clock: whether the figure depends on the moment of the run.
    """

    subject: str
    value: float
    low: float | None
    high: float | None
    effect: Effect
    expected: str
    said: str
    clock: bool = False
