"""What the shop sells and where: categories, colours, brands, looks, regions. Order matters, codes are positions here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Category:
    """One kind of garment.

    price: a typical price; share: of the styles; basic: probability that a style is a basic, bought again and sold for years;
    peak: day of the year when it sells best; swing: log-amplitude of its season, 0 for none; shape: how it is drawn.
    """

    name: str
    price: float
    share: float
    basic: float
    peak: int
    swing: float
    sizes: tuple[str, ...]
    materials: tuple[str, ...]
    shape: str

    @property
    def season(self) -> str:
        if self.swing < 0.25:
            return "all year"
        return "summer" if 90 < self.peak < 270 else "winter"


_CLOTHES = ("XS-L", "XL-4XL")
_SHOES = ("36-41", "40-46")
_ONE = ("one size",)

CATEGORIES = (
    Category("t-shirt", 13, 0.14, 0.45, 180, 0.11, _CLOTHES, ("cotton", "jersey", "linen"), "short sleeves"),
    Category("shirt", 30, 0.09, 0.15, 120, 0.04, _CLOTHES, ("cotton", "linen", "viscose"), "long sleeves"),
    Category("sweater", 38, 0.09, 0.10, 330, 0.41, _CLOTHES, ("wool", "cashmere", "cotton"), "long sleeves"),
    Category("hoodie", 35, 0.06, 0.20, 310, 0.18, _CLOTHES, ("cotton", "fleece"), "long sleeves"),
    Category("dress", 42, 0.11, 0.03, 165, 0.36, _CLOTHES, ("viscose", "silk", "cotton"), "dress"),
    Category("skirt", 28, 0.05, 0.05, 160, 0.27, _CLOTHES, ("denim", "satin", "wool"), "skirt"),
    Category("jeans", 45, 0.08, 0.25, 280, 0.04, _CLOTHES, ("denim", "stretch denim"), "trousers"),
    Category("trousers", 38, 0.08, 0.15, 290, 0.07, _CLOTHES, ("cotton", "wool", "linen"), "trousers"),
    Category("shorts", 22, 0.05, 0.10, 185, 0.63, _CLOTHES, ("cotton", "linen", "denim"), "shorts"),
    Category("jacket", 70, 0.06, 0.02, 285, 0.27, _CLOTHES, ("nylon", "denim", "leather"), "coat"),
    Category("coat", 110, 0.04, 0.01, 325, 0.68, _CLOTHES, ("wool", "down", "wool blend"), "coat"),
    Category("swimwear", 25, 0.04, 0.02, 175, 0.81, _CLOTHES, ("polyamide", "recycled polyester"), "swimwear"),
    Category("underwear", 12, 0.05, 0.80, 1, 0.00, _CLOTHES, ("cotton", "lace", "modal"), "briefs"),
    Category("socks", 7, 0.03, 0.85, 350, 0.16, _SHOES, ("cotton", "wool", "bamboo"), "socks"),
    Category("shoes", 60, 0.06, 0.05, 270, 0.04, _SHOES, ("leather", "suede", "canvas"), "shoe"),
    Category("bag", 35, 0.04, 0.02, 340, 0.09, _ONE, ("leather", "canvas", "nylon"), "bag"),
)

COLOURS = (
    ("black", (32, 32, 36), 0.22),
    ("white", (236, 235, 230), 0.15),
    ("navy", (32, 44, 90), 0.11),
    ("grey", (132, 134, 138), 0.10),
    ("beige", (212, 190, 156), 0.09),
    ("blue", (66, 118, 190), 0.08),
    ("pink", (232, 152, 178), 0.06),
    ("green", (66, 122, 84), 0.06),
    ("red", (186, 42, 48), 0.05),
    ("brown", (112, 76, 50), 0.04),
    ("yellow", (232, 194, 72), 0.02),
    ("purple", (118, 82, 152), 0.02),
)
"""Name, red-green-blue, share of the items."""

BRANDS = (
    ("Alder & Finch", 1.00, 0.22),
    ("Norrvik", 1.15, 0.16),
    ("Plain Works", 0.70, 0.15),
    ("Maison Orsel", 1.90, 0.08),
    ("Kestrel", 1.30, 0.10),
    ("Juniper Row", 0.90, 0.10),
    ("Tidewater", 1.05, 0.08),
    ("Velo Nero", 1.60, 0.06),
    ("Little Harbour", 0.80, 0.05),
)
"""Name, price level, share of the styles."""

LOOKS = (
    ("relaxed", "an easy cut for days without plans"),
    ("tailored", "clean lines that go to the office and stay for dinner"),
    ("sporty", "light, quick to dry and made to move in"),
    ("romantic", "soft drape and small details"),
    ("street", "a roomy fit with a bold outline"),
    ("classic", "a shape that has outlived most trends"),
)
"""Word, what the description says of it."""

PATTERNS = (("plain", 0.70), ("striped", 0.18), ("dotted", 0.12))

REGIONS = (
    ("DE", "Hamburg", 0.17),
    ("DE", "Munich", 0.15),
    ("DE", "Leipzig", 0.08),
    ("SE", "Stockholm", 0.14),
    ("SE", "Malmo", 0.06),
    ("FR", "Lyon", 0.12),
    ("FR", "Paris", 0.13),
    ("UK", "London", 0.10),
    ("UK", "Leeds", 0.05),
)
"""Market, region, share of the people."""

CHANNELS = ("store", "online", "app")
CHANNEL_SHARES = (0.36, 0.40, 0.24)

MEMBERSHIPS = ("none", "member", "gold")

EVENTS = ("purchase", "view", "cart", "return")
PURCHASE, VIEW, CART, RETURN = range(4)
STORE, ONLINE, APP = range(3)
