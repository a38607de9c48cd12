"""The leak suite: whether anything that a model learns from, or is examined with, knows what had not happened yet.

``suite`` runs every check and gives a ``LeakReport``; docs/architecture.md ("Leaks") says what each of them can and cannot see.
"""
