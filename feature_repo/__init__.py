"""The Feast repository: ``feature_store.yaml`` and one ``definitions.py``."""
