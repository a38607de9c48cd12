"""What the ledger's own past says of a delivery. It warns or holds, and never rejects: a sale is no error.

A figure x > 0 is compared on logarithms, for volumes and prices change by factors. The usual level is the median m of log x over the
past, its spread s = 1.4826 MAD, the median absolute deviation scaled to the standard deviation of normal figures: the odd delivery among
the past ones moves neither. A figure has an error of its own too, so small deliveries may vary more: let E(k) be how far chance takes its
logarithm at k standard deviations. Then

    odd   when |log x - m| > max(log history_warn, sqrt((3.5 s)^2 + E(3.5)^2))
    held  when |log x - m| > max(log history_hold, sqrt((7 s)^2 + E(7)^2))

E(k) is k e for a figure with the standard error e. A count varies as a Poisson one of users, for the rows of one user come and stay away
together; the root of a Poisson count has a deviation of nearly 1/2 (Anscombe, Biometrika 35, 1948), so where n users are usual
E(k) is 2 log(1 + k / 2 sqrt n) upwards, and -2 log(1 - k / 2 sqrt n) downwards, without end when k reaches 2 sqrt n.

3.5 is the bound of Iglewicz and Hoaglin (How to Detect and Handle Outliers, 1993); twice that, for what costs a person's time, and the
factors as least widths, for a past that was steady by chance, are ours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from expectations.facts import Effect, Fact
from expectations.profile import Measures, Profile
from outfitter.settings import Settings

RECENT = 28  # deliveries: four weeks of daily ones, two years of monthly ones; what lies further back is another shop
ODD, OUT = 3.5, 7.0
MAD_TO_SPREAD = 1.4826
MEDIAN_ERROR = 1.2533  # the error of the median of n normal figures is sqrt(pi/2)/sqrt(n) of their standard deviation
FEW_ITEMS = 20  # different items of a delivery below which their share of new ones says nothing
EACH_WEEKDAY = 3  # past days of a weekday from which its own level is known


Chance = Callable[[float], tuple[float, float]]
"""From a number of standard deviations to how far chance takes a logarithm: downwards, upwards."""


@dataclass(frozen=True)
class Usual:
    """Level and spread of the logarithms of a figure over ``n`` past deliveries."""

    level: float
    spread: float
    n: int

    @classmethod
    def of(cls, logs: Sequence[float]) -> Usual:
        """From at least one figure's logarithms."""
        level = median(logs)
        return cls(level, MAD_TO_SPREAD * median(abs(one - level) for one in logs), len(logs))

    def width(self, chance: float, factor: float, spreads: float) -> float:
        """How far the logarithm may lie from the level; ``chance`` is how far it may be taken by that alone."""
        return max(math.log(factor), math.hypot(spreads * self.spread, chance))


def learnt(profile: Profile, past: Sequence[Profile], settings: Settings) -> list[Fact]:
    """Facts on volume, price level and new items. past: profiles of accepted earlier deliveries of the same source and role, in event-time
    order. A figure is left out when fewer than ``settings.history_deliveries`` of the recent ones have it.
    """
    recent = past[-RECENT:]
    return [fact for part in (_volume, _price_level, _new_items) for fact in part(profile, recent, settings)]


def _volume(profile: Profile, past: Sequence[Profile], settings: Settings) -> list[Fact]:
    """Rows a day, against what is usual on the weekdays that the delivery has."""
    earlier = [one.measures for one in past if sum(one.measures.weekday_rows)]
    here = profile.measures
    if len(earlier) < settings.history_deliveries or not sum(here.weekday_rows):
        return []
    rates = _weekday_rates(earlier)
    usual = Usual.of([math.log(sum(one.weekday_rows) / _expected(one, rates)) for one in earlier])
    days, level = sum(here.weekday_days), _expected(here, rates) * math.exp(usual.level)
    rate, chance = Usual(math.log(level / days), usual.spread, usual.n), _of_count(level / _rows_a_user(earlier))
    return _bounded("rows a day", sum(here.weekday_rows) / days, rate, chance, settings, lambda rows: f"{rows:,.4g} rows a day")


def _rows_a_user(past: Sequence[Measures]) -> float:
    return median(sum(one.weekday_rows) / max(one.users, 1) for one in past)


def _weekday_rates(past: Sequence[Measures]) -> list[float]:
    """Rows a day by weekday: the median over the deliveries that have it, or over all deliveries where those are few."""
    overall = median(sum(one.weekday_rows) / sum(one.weekday_days) for one in past)
    found = [[one.weekday_rows[day] / one.weekday_days[day] for one in past if one.weekday_days[day]] for day in range(7)]
    return [median(rates) if len(rates) >= EACH_WEEKDAY else overall for rates in found]


def _expected(one: Measures, rates: Sequence[float]) -> float:
    return sum(days * rate for days, rate in zip(one.weekday_days, rates, strict=True))


def _price_level(profile: Profile, past: Sequence[Profile], settings: Settings) -> list[Fact]:
    earlier = [one.measures for one in past if one.measures.median_price is not None]
    here = profile.measures
    if len(earlier) < settings.history_deliveries or here.median_price is None:
        return []
    usual = Usual.of([math.log(one.median_price or 1) for one in earlier])
    spread = max(here.price_spread or 0, median(one.price_spread or 0 for one in earlier))
    error = MEDIAN_ERROR * spread / math.sqrt(here.priced)
    return _bounded("median price", here.median_price, usual, _normal(error), settings, lambda price: f"a median price of {price:,.4g}")


def _new_items(profile: Profile, past: Sequence[Profile], settings: Settings) -> list[Fact]:
    """As the share of known items, whose logarithm says little of 1% new against 3% and much of 20% against 80%. Only too few are odd."""
    earlier = [known for one in past if (known := _known(one)) is not None]
    here, met = _known(profile), profile.measures.items
    if len(earlier) < settings.history_deliveries or here is None or met < FEW_ITEMS:
        return []
    usual = Usual.of([math.log(known) for known in earlier])
    share = math.exp(usual.level)
    error = math.sqrt(max(1 - share, 0) / (share * met))

    def words(known: float) -> str:
        return f"{1 - known:.1%} new items"

    return _bounded("share of items that were known", here, usual, _normal(error), settings, words, above=False)


def _known(profile: Profile) -> float | None:
    """The share of the delivery's items that the lake knew, a half added so that it is above 0."""
    if profile.place.new_items is None or not profile.measures.items:
        return None
    return (profile.measures.items - profile.place.new_items + 0.5) / (profile.measures.items + 0.5)


def _normal(error: float) -> Chance:
    return lambda spreads: (spreads * error, spreads * error)


def _of_count(n: float) -> Chance:
    def chance(spreads: float) -> tuple[float, float]:
        part = spreads / (2 * math.sqrt(n))
        return (-2 * math.log(1 - part) if part < 1 else math.inf), 2 * math.log(1 + part)

    return chance


def _bounded(
    subject: str, value: float, usual: Usual, chance: Chance, settings: Settings, words: Callable[[float], str], *, above: bool = True
) -> list[Fact]:
    """The two facts of one figure: the narrow bounds that warn, the wide ones that hold."""
    bounds: list[tuple[Effect, float, float]] = [("warn", settings.history_warn, ODD), ("hold", settings.history_hold, OUT)]
    facts = []
    for effect, factor, spreads in bounds:
        down, up = (usual.width(side, factor, spreads) for side in chance(spreads))
        low, high = math.exp(usual.level - down), math.exp(usual.level + up) if above else None
        fine = f"from {words(low)} to {words(high)}" if high is not None else f"up to {words(low)}"
        past = f"{words(math.exp(usual.level))} is usual over the last {usual.n} deliveries"
        does = "is held" if effect == "hold" else "gets a warning"
        expected = f"{past}; {fine} passes, beyond it the delivery {does}"
        facts.append(Fact(subject, value, low, high, effect, expected, f"{words(value)}, where {past} and {fine} passes"))
    return facts
