"""The synthetic shop in the layout in which the H&M competition data were published."""

from outfitter.datasets.synthetic.hm.spoiling import bad_rows
from outfitter.datasets.synthetic.hm.writer import write_hm_shop

__all__ = ["bad_rows", "write_hm_shop"]
