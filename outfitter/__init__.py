"""Outfitter: a fashion retailer's recommender, from delivery to nightly lists."""

__version__ = "0.1.0"
