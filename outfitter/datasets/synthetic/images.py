"""Small drawings of garments: shaped by category, in the item's colour and pattern."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw

from outfitter.datasets.synthetic.catalogue import Catalogue
from outfitter.datasets.synthetic.folder import Progress
from outfitter.datasets.synthetic.vocabulary import CATEGORIES, COLOURS, PATTERNS

SIDE = 96
IMAGE_STEP = 500
"""Pictures between two reports of progress."""
GROUND = (250, 249, 247)
Point = tuple[float, float]

_SHORT_SLEEVES = (
    (30, 18),
    (42, 22),
    (58, 22),
    (70, 18),
    (90, 34),
    (80, 48),
    (70, 42),
    (70, 86),
    (30, 86),
    (30, 42),
    (20, 48),
    (10, 34),
)
_LONG_SLEEVES = (
    (32, 14),
    (44, 18),
    (56, 18),
    (68, 14),
    (82, 24),
    (94, 76),
    (82, 80),
    (70, 44),
    (70, 88),
    (30, 88),
    (30, 44),
    (18, 80),
    (6, 76),
    (18, 24),
)
_SHAPES: dict[str, tuple[tuple[Point, ...], ...]] = {
    "short sleeves": (_SHORT_SLEEVES,),
    "long sleeves": (_LONG_SLEEVES,),
    "coat": (
        ((30, 8), (49, 16), (49, 94), (24, 94), (26, 40), (16, 76), (5, 72), (16, 18)),
        ((70, 8), (51, 16), (51, 94), (76, 94), (74, 40), (84, 76), (95, 72), (84, 18)),
    ),
    "dress": (((36, 8), (42, 20), (58, 20), (64, 8), (70, 10), (62, 44), (84, 92), (16, 92), (38, 44), (30, 10)),),
    "skirt": (((34, 22), (66, 22), (84, 84), (16, 84)),),
    "trousers": (((30, 8), (70, 8), (76, 94), (58, 94), (50, 34), (42, 94), (24, 94)),),
    "shorts": (((26, 26), (74, 26), (84, 72), (56, 74), (50, 46), (44, 74), (16, 72)),),
    "swimwear": (((34, 8), (40, 26), (60, 26), (66, 8), (72, 34), (66, 54), (74, 74), (54, 92), (46, 92), (26, 74), (34, 54), (28, 34)),),
    "briefs": (((18, 32), (82, 32), (80, 48), (58, 72), (42, 72), (20, 48)),),
    "socks": (
        ((16, 10), (38, 10), (38, 60), (48, 74), (44, 88), (30, 88), (16, 66)),
        ((54, 10), (76, 10), (76, 60), (90, 74), (86, 88), (68, 88), (54, 66)),
    ),
    "shoe": (((8, 40), (34, 36), (50, 54), (80, 60), (94, 70), (94, 80), (8, 80)),),
    "bag": (
        ((18, 40), (82, 40), (90, 90), (10, 90)),
        ((34, 40), (38, 16), (62, 16), (66, 40), (60, 40), (57, 23), (43, 23), (40, 40)),
    ),
}
"""Polygons on a square of 100 x 100, the origin in the upper left corner."""


def image_name(item: str, suffix: str) -> str:
    """The path of an item's picture inside the shop's folder, e.g. ``images/051/0512345001.png``."""
    return f"images/{item[:3]}/{item}.{suffix}"


def draw_item(catalogue: Catalogue, i: int) -> Image.Image:
    """A picture of ``SIDE`` x ``SIDE`` pixels, RGB, of item ``i``."""
    colour = COLOURS[catalogue.colour[i]][1]
    cloth = Image.new("RGB", (SIDE, SIDE), colour)
    _decorate(cloth, PATTERNS[catalogue.pattern[i]][0], _contrast(colour))
    outline = Image.new("L", (SIDE, SIDE), 0)
    pen = ImageDraw.Draw(outline)
    for polygon in _SHAPES[CATEGORIES[catalogue.category[i]].shape]:
        pen.polygon([(x * SIDE / 100, y * SIDE / 100) for x, y in polygon], fill=255)
    return Image.composite(cloth, Image.new("RGB", (SIDE, SIDE), GROUND), outline)


def save_images(catalogue: Catalogue, root: Path, suffix: str, progress: Progress) -> None:
    """Write every item's picture under ``root`` where ``image_name`` says, as PNG or JPEG by the ``suffix``."""
    total = len(catalogue.ids)
    for i, item in enumerate(catalogue.ids):
        path = root / image_name(item, suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_item(catalogue, i).save(path)
        if (i + 1) % IMAGE_STEP == 0 or i + 1 == total:
            progress("image", i + 1, total)


def _decorate(cloth: Image.Image, pattern: str, colour: tuple[int, int, int]) -> None:
    pen = ImageDraw.Draw(cloth)
    for y in range(6, SIDE, 12):
        if pattern == "striped":
            pen.rectangle((0, y, SIDE, y + 3), fill=colour)
        elif pattern == "dotted":
            for x in range(4 + y % 8, SIDE, 12):
                pen.ellipse((x, y, x + 4, y + 4), fill=colour)


def _contrast(colour: tuple[int, int, int]) -> tuple[int, int, int]:
    """Towards white for a dark cloth, towards black for a light one."""
    aim = 255 if sum(colour) < 384 else 0
    red, green, blue = ((channel + aim) // 2 for channel in colour)
    return red, green, blue
