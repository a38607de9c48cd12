"""Prefect tasks: thin shells over the pure functions of ``outfitter``, ``expectations`` and ``models``."""
