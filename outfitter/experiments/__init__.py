"""Comparing models on a data set, and finding their settings, without a lake."""
