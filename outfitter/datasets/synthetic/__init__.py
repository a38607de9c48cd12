"""The synthetic shop: a seeded fashion retailer with planted taste, seasons, life cycles, drift and bad rows."""

from outfitter.datasets.synthetic.adapter import SyntheticAdapter
from outfitter.datasets.synthetic.hm import bad_rows, write_hm_shop
from outfitter.datasets.synthetic.knobs import LAST_DAY, Shop
from outfitter.datasets.synthetic.writer import write_shop

__all__ = ["LAST_DAY", "Shop", "SyntheticAdapter", "bad_rows", "write_hm_shop", "write_shop"]
