"""What hangs on the rails: styles, their colour and size variants, their lives, prices and appeal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.knobs import WEEK, Flags, Ints, Reals, Shop, Stream, Vectors
from outfitter.datasets.synthetic.people import DIMENSIONS
from outfitter.datasets.synthetic.vocabulary import BRANDS, CATEGORIES, COLOURS, LOOKS, PATTERNS

VARIANTS = 3.0
FIRST_STYLE = 100_000
LAST_STYLE = 1_000_000
BASIC_LIFE, FASHION_LIFE = 90.0, 26.0
OLDEST_BASIC, OLDEST_FASHION = 60, 8
"""Life and ages in weeks. No style has ended by the first day of the history."""
STYLE_APPEAL, VARIANT_APPEAL = 0.35, 0.2
TASTE_SHARES = (1.0, 0.7, 0.8, 0.9)
"""How much category, colour, brand and look weigh in what a person likes; a fixed order, used in ``item_vectors``."""


@dataclass(frozen=True)
class Catalogue:
    """m items; every array has one value an item, and codes are positions in the vocabulary.

    ids String[m] ten digits, the first 0; style int64[m], variants of colour and size share it; launch int64[m], the week, which
    may lie before the history; life float64[m], weeks in which demand falls to 1/e; appeal float64[m] > 0; price float64[m] at
    launch; vectors float32[m, DIMENSIONS]: what taste sees of an item.
    """

    ids: pl.Series
    style: Ints
    category: Ints
    colour: Ints
    brand: Ints
    look: Ints
    pattern: Ints
    material: Ints
    size: Ints
    basic: Flags
    launch: Ints
    life: Reals
    appeal: Reals
    price: Reals
    vectors: Vectors


@dataclass(frozen=True)
class _Styles:
    category: Ints
    brand: Ints
    look: Ints
    pattern: Ints
    material: Ints
    basic: Flags
    launch: Ints
    life: Reals
    appeal: Reals
    price: Reals


def build_catalogue(shop: Shop) -> Catalogue:
    """Draw the shop's items; nothing in it depends on ``taste``, ``drift`` or ``bad_rows``."""
    rng = shop.rng(Stream.CATALOGUE)
    style = _styles_of(rng, shop.items)
    styles = _draw_styles(rng, shop, int(style[-1]) + 1)
    variant = np.arange(shop.items) - np.searchsorted(style, style)
    colour = _colours(rng, style, variant)
    number = np.sort(rng.choice(LAST_STYLE - FIRST_STYLE, len(styles.launch), replace=False)) + FIRST_STYLE
    category, brand, look = styles.category[style], styles.brand[style], styles.look[style]
    sizes = np.array([len(c.sizes) for c in CATEGORIES])
    return Catalogue(
        ids=pl.Series("item_id", [f"0{n}{v:03d}" for n, v in zip(number[style].tolist(), (variant + 1).tolist(), strict=True)]),
        style=style,
        category=category,
        colour=colour,
        brand=brand,
        look=look,
        pattern=styles.pattern[style],
        material=styles.material[style],
        size=(rng.random(shop.items) < 0.25) * (sizes[category] > 1) * 1,
        basic=styles.basic[style],
        launch=styles.launch[style],
        life=styles.life[style],
        appeal=styles.appeal[style] * rng.lognormal(0.0, VARIANT_APPEAL, shop.items) * _colour_appeal()[colour],
        price=styles.price[style],
        vectors=item_vectors(shop, category, colour, brand, look),
    )


def item_vectors(shop: Shop, category: Ints, colour: Ints, brand: Ints, look: Ints) -> Vectors:
    """float32[m, DIMENSIONS]: the sum of a vector for each attribute, so that tastes are over attributes and not over items.

    Scaled to a mean squared length of 1: the standard deviation of a taste's coordinates is then that of its logits.
    """
    rng = shop.rng(Stream.TASTE, part=1)
    scale = 1.0 / np.sqrt(DIMENSIONS * np.sum(np.square(TASTE_SHARES)))
    vectors = np.zeros((len(category), DIMENSIONS))
    sizes = (len(CATEGORIES), len(COLOURS), len(BRANDS), len(LOOKS))
    for share, size, codes in zip(TASTE_SHARES, sizes, (category, colour, brand, look), strict=True):
        vectors += (rng.standard_normal((size, DIMENSIONS)) * share * scale)[codes]
    return vectors.astype(np.float32)


def season(category: Ints, day_of_year: float | Reals) -> Reals:
    """float64[len(category)] > 0: demand for the categories on a day of the year (one, or one each); its logarithm averages 0."""
    peak, swing = np.array([c.peak for c in CATEGORIES])[category], np.array([c.swing for c in CATEGORIES])[category]
    return np.asarray(np.exp(swing * np.cos(2 * np.pi * (day_of_year - peak) / 365.25)))


def _styles_of(rng: np.random.Generator, items: int) -> Ints:
    """int64[items], ascending from 0: the style of each item, ``VARIANTS`` items a style on average, at most 12."""
    counts = np.minimum(rng.geometric(1 / VARIANTS, items), 12)
    return np.repeat(np.arange(items), counts)[:items]


def _colours(rng: np.random.Generator, style: Ints, variant: Ints) -> Ints:
    """Variants of a style get different colours: the k-th of the style's own order, popular ones first more often (Gumbel)."""
    shares = np.log([share for *_, share in COLOURS])
    order = np.argsort(-(shares + rng.gumbel(size=(int(style[-1]) + 1, len(COLOURS)))), axis=1)
    return np.asarray(order[style, variant])


def _colour_appeal() -> Reals:
    """float64[colours]: common colours sell a little better, besides there being more items of them."""
    return np.asarray(np.array([share for *_, share in COLOURS]) ** 0.3)


def _draw_styles(rng: np.random.Generator, shop: Shop, n: int) -> _Styles:
    """Styles in order of launch, which is the order of their numbers too."""
    category = rng.choice(len(CATEGORIES), n, p=[c.share for c in CATEGORIES] / np.sum([c.share for c in CATEGORIES]))
    basic = rng.random(n) < np.array([c.basic for c in CATEGORIES])[category]
    launch = _launches(rng, shop, category, basic)
    order = np.argsort(launch, kind="stable")
    category, basic, launch = category[order], basic[order], launch[order]
    launch[0] = min(launch[0], -1)  # on the first day there is something to sell, however small the shop
    brand = rng.choice(len(BRANDS), n, p=[share for *_, share in BRANDS])
    levels = np.array([level for _, level, _ in BRANDS])[brand]
    price = np.array([c.price for c in CATEGORIES])[category] * levels * rng.lognormal(0.0, 0.2, n)
    materials = np.array([len(c.materials) for c in CATEGORIES])[category]
    return _Styles(
        category=category,
        brand=brand,
        look=rng.integers(0, len(LOOKS), n),
        pattern=rng.choice(len(PATTERNS), n, p=[share for _, share in PATTERNS]),
        material=rng.integers(0, materials),
        basic=basic,
        launch=launch,
        life=np.where(basic, BASIC_LIFE, np.clip(rng.lognormal(np.log(FASHION_LIFE), 0.35, n), 6, 52)),
        appeal=rng.lognormal(0.0, STYLE_APPEAL, n),
        price=np.maximum(np.round(price), 3.0) - 0.01,
    )


def _launches(rng: np.random.Generator, shop: Shop, category: Ints, basic: Flags) -> Ints:
    """int64[n]: the week a style appears: from a little before the history to its last week, a month ahead of its season."""
    oldest = np.where(basic, OLDEST_BASIC, OLDEST_FASHION)
    tries = np.floor(rng.uniform(-oldest, shop.weeks, (4, len(category)))).astype(np.int64)
    day = (tries - shop.weeks + 4) * WEEK + 181.0
    fit = np.log(np.stack([season(category, each) for each in day])) + rng.gumbel(size=tries.shape)
    chosen = np.where(basic, 0, np.argmax(fit, axis=0))
    return np.asarray(tries[chosen, np.arange(len(category))])
