"""The Feast repository: ``feature_store.yaml`` and one ``definitions.py``; here is how a process opens and registers it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # Feast takes seconds to import
    from feast import FeatureStore


def open_store() -> FeatureStore:
    """The Feast store of this home. Needs the exported ``OUTFITTER_HOME`` (``Settings.activate``)."""
    from feast import FeatureStore

    return FeatureStore(repo_path=str(Path(__file__).parent))


def apply(store: FeatureStore) -> list[str]:
    """Register entities, views and services; returns the names of the feature views."""
    from feature_repo import definitions as d

    store.apply([d.user, d.item, d.user_rows, d.item_rows, d.user_profile, d.item_profile, d.training, d.serving])
    return sorted(view.name for view in store.list_feature_views())
