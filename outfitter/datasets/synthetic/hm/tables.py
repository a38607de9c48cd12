"""``articles.csv`` and ``customers.csv`` of the published layout, as text."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.catalogue import Catalogue
from outfitter.datasets.synthetic.hm.words import APPEARANCES, COLOUR_GROUPS, INDEXES, TYPES
from outfitter.datasets.synthetic.knobs import LAST_DAY, Flags, Ints, Shop, Stream
from outfitter.datasets.synthetic.people import People, hex_ids, users_table
from outfitter.datasets.synthetic.texts import items_table
from outfitter.datasets.synthetic.vocabulary import BRANDS, CATEGORIES, LOOKS, REGIONS

PERCEIVED = ("perceived_colour_value_id", "perceived_colour_value_name", "perceived_colour_master_id", "perceived_colour_master_name")
FIRST_DEPARTMENT, FIRST_SECTION = 1_100, 11
SECTIONS = tuple((str(FIRST_SECTION + number), f"{name} Collection") for number, (name, *_) in enumerate(BRANDS))
UNDESCRIBED = 250
"""Of so many styles one has no ``detail_desc``; some of the published articles have none."""
STATUSES = {"ACTIVE": 0.927, "PRE-CREATE": 0.068, "LEFT CLUB": 0.001, None: 0.004}
MAIN_POSTCODE, PEOPLE_A_POSTCODE = 0.09, 4
"""Published postcodes are hashes: one of them is very common, the others have a few customers each."""


def articles_table(shop: Shop, catalogue: Catalogue) -> pl.DataFrame:
    """One row an item by id, the 25 columns in the published order. A product is a style, a section a brand."""
    category, brand = catalogue.category, catalogue.brand
    department = pl.Series(brand * len(CATEGORIES) + category + FIRST_DEPARTMENT).cast(pl.String)
    names = [f"{kind[1]} {name}" for name, *_ in BRANDS for kind in TYPES]
    return pl.DataFrame(
        [
            catalogue.ids.alias("article_id"),
            catalogue.ids.str.slice(0, 7).alias("product_code"),
            _product_names(catalogue),
            *_looked_up(TYPES, category, "product_type_no", "product_type_name", "product_group_name"),
            *_looked_up(APPEARANCES, catalogue.pattern, "graphical_appearance_no", "graphical_appearance_name"),
            *_looked_up(COLOUR_GROUPS, catalogue.colour, "colour_group_code", "colour_group_name", *PERCEIVED),
            department.alias("department_no"),
            pl.Series("department_name", names).gather(brand * len(CATEGORIES) + category),
            *_looked_up(INDEXES, brand, "index_code", "index_name", "index_group_no", "index_group_name"),
            *_looked_up(SECTIONS, brand, "section_no", "section_name"),
            *_looked_up([kind[3:] for kind in TYPES], category, "garment_group_no", "garment_group_name"),
            _descriptions(shop, catalogue),
        ]
    )


def customers_table(shop: Shop, people: People) -> pl.DataFrame:
    """One row a customer by id; who shops more is sent the fashion news more often. Flags are ``1.0`` or empty."""
    rng = shop.rng(Stream.PEOPLE, part=3)
    n = shop.users
    often = np.argsort(np.argsort(people.activity)) / n
    news = rng.random(n) < 0.15 + 0.4 * often
    frequency = pl.Series(np.where(news, "Regularly", "NONE"))
    status = rng.choice(len(STATUSES), n, p=list(STATUSES.values()))
    return pl.DataFrame(
        {
            "customer_id": people.ids,
            "FN": _flags(news),
            "Active": _flags(news & (rng.random(n) < 0.97)),
            "club_member_status": pl.Series(list(STATUSES), dtype=pl.String).gather(status),
            "fashion_news_frequency": frequency.set(pl.Series(rng.random(n) < 0.01), None),
            "age": (LAST_DAY.year - users_table(shop, people)["birth_year"]).cast(pl.String),
            "postal_code": _postcodes(rng, people),
        }
    )


def _product_names(catalogue: Catalogue) -> pl.Series:
    """Variants of a style share it, e.g. ``Relaxed linen shirt``."""
    words = zip(catalogue.look.tolist(), catalogue.category.tolist(), catalogue.material.tolist(), strict=True)
    kinds = ((LOOKS[look][0], CATEGORIES[category], material) for look, category, material in words)
    return pl.Series("prod_name", [f"{look.capitalize()} {kind.materials[material]} {kind.name}" for look, kind, material in kinds])


def _descriptions(shop: Shop, catalogue: Catalogue) -> pl.Series:
    described = items_table(shop, catalogue)["description"]
    return described.set(pl.Series(catalogue.style % UNDESCRIBED == UNDESCRIBED - 1), None).alias("detail_desc")


def _looked_up(words: Sequence[Sequence[str]], codes: Ints, *names: str) -> list[pl.Series]:
    """String[len(codes)] for each of ``names``: the first entries of the words at ``codes``."""
    return [pl.Series(name, [word[place] for word in words]).gather(codes) for place, name in enumerate(names)]


def _flags(given: Flags) -> pl.Series:
    return pl.Series([None, "1.0"], dtype=pl.String).gather(given.astype(np.int64))


def _postcodes(rng: np.random.Generator, people: People) -> pl.Series:
    """String[n] of 64 hexadecimal digits; but for the most common one, a code belongs to one region."""
    n = len(people.region)
    each = max(1, n // PEOPLE_A_POSTCODE // len(REGIONS))
    own = 1 + people.region * each + rng.integers(0, each, n)
    return hex_ids(rng, 1 + len(REGIONS) * each, 64).gather(np.where(rng.random(n) < MAIN_POSTCODE, 0, own))
