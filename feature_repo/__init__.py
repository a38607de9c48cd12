"""The Feast repository: ``feature_store.yaml`` and one ``definitions.py``; here is how a process opens and registers it."""

from __future__ import annotations

from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

import yaml

from outfitter.settings import Settings, load_settings

if TYPE_CHECKING:  # Feast takes seconds to import
    from feast import FeatureStore

FOLDER = Path(__file__).parent


def open_store(settings: Settings | None = None) -> FeatureStore:
    """The Feast store of this home, with the online store of the settings (those of the environment when not given).

    The YAML file is Feast's own and holds all else; it has no way to say "this online store unless another is set".
    """
    from feast import FeatureStore, RepoConfig

    settings = settings or load_settings()
    told = yaml.safe_load((FOLDER / "feature_store.yaml").read_text())
    registry = Template(told["registry"]).substitute(OUTFITTER_HOME=settings.home)
    config = RepoConfig(**{**told, "registry": registry, "online_store": online_store(settings)}, repo_path=FOLDER)
    return FeatureStore(config=config)


def online_store(settings: Settings) -> dict[str, Any]:
    """Feast's configuration of the online store that the setting names."""
    if settings.online_redis:
        return {"type": "outfitter.features.stores.PackedRedisOnlineStore", "url": settings.online_redis}
    return {"type": "outfitter.features.stores.PackedSqliteOnlineStore", "path": str(settings.online_file)}


def apply(store: FeatureStore) -> list[str]:
    """Register entities, views and services; returns the names of the feature views."""
    from feature_repo import definitions as d

    store.apply([d.user, d.item, d.user_rows, d.item_rows, d.user_profile, d.item_profile, d.training, d.serving])
    return sorted(view.name for view in store.list_feature_views())
