"""``items.csv``: the catalogue in words a customer would read."""

from __future__ import annotations

import numpy as np
import polars as pl

from outfitter.datasets.synthetic.catalogue import Catalogue
from outfitter.datasets.synthetic.images import image_name
from outfitter.datasets.synthetic.knobs import Shop, week_start
from outfitter.datasets.synthetic.vocabulary import BRANDS, CATEGORIES, COLOURS, LOOKS, PATTERNS

OPENINGS = ("A {} {} in {}", "Our {} {}, made of {}", "The {} {} you reach for, in {}")
CARE = {
    "wool": "Wash by hand and dry flat.",
    "cashmere": "Wash by hand and dry flat.",
    "silk": "Dry clean only.",
    "leather": "Wipe clean with a soft cloth.",
    "suede": "Brush gently, keep dry.",
    "down": "Machine wash with a mild detergent.",
}
PLURALS = frozenset({"jeans", "trousers", "shorts", "socks", "shoes"})


def items_table(shop: Shop, catalogue: Catalogue) -> pl.DataFrame:
    """One row an item: when it was launched, what it is called, what it is and what it costs at launch."""
    launched = pl.Series(week_start(shop, catalogue.launch)).cast(pl.Int32).cast(pl.Date)
    words = [_words(catalogue, i) for i in range(len(catalogue.ids))]
    described = pl.DataFrame(words, schema=dict.fromkeys(WORDS, pl.String), orient="row")
    images = [image_name(item, "png") if shop.images else None for item in catalogue.ids]
    return pl.DataFrame({"item_id": catalogue.ids, "launched": launched}).hstack(
        [
            *described.get_columns(),
            pl.Series("style", [item[:7] for item in catalogue.ids]),
            pl.Series("image", images, dtype=pl.String),
            pl.Series("price", np.round(catalogue.price, 2)),
        ]
    )


WORDS = ("title", "description", "category", "colour", "brand", "size", "material", "season", "tags")


def _words(catalogue: Catalogue, i: int) -> tuple[str, ...]:
    category = CATEGORIES[catalogue.category[i]]
    colour, brand = COLOURS[catalogue.colour[i]][0], BRANDS[catalogue.brand[i]][0]
    (look, meaning), pattern = LOOKS[catalogue.look[i]], PATTERNS[catalogue.pattern[i]][0]
    material, size = category.materials[catalogue.material[i]], category.sizes[catalogue.size[i]]
    print_word = "" if pattern == "plain" else f"{pattern} "
    title = f"{brand} {look} {print_word}{material} {category.name} in {colour}"
    tags = [look, pattern, *(["basic"] if catalogue.basic[i] else [])]
    description = _description(category.name, colour, look, meaning, print_word, material, int(catalogue.style[i]))
    return (title, description, category.name, colour, brand, size, material, category.season, "|".join(tags))


def _description(name: str, colour: str, look: str, meaning: str, pattern: str, material: str, style: int) -> str:
    noun = f"pair of {name}" if name in PLURALS else name
    opening = OPENINGS[style % len(OPENINGS)].format(look, f"{colour} {pattern}{noun}", material)
    return f"{opening}: {meaning}. {CARE.get(material, 'Machine wash at 30 degrees.')}"
