"""Exact and approximate search among item vectors, behind ``models.topk``."""
