"""Every model by its name: how a recipe becomes a model and how an artifact becomes one again."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from models import checkpoint
from models.base import Recipe, Recommender
from models.blend import Blend
from models.factorization.als import ImplicitALS
from models.factorization.bpr import BPR
from models.factorization.ratings import BiasedMF, RatingMeans
from models.linear.closed_form import ClosedForm
from models.linear.ease import EASE
from models.linear.sparse_inverse import SparseClosedForm, SparseEASE
from models.neighbours.item_knn import ItemKNN
from models.neighbours.user_knn import UserKNN
from models.neural.multi_task import MultiTask
from models.neural.ncf import NCF
from models.neural.two_tower import TwoTower
from models.popularity import Popularity, RecentPopularity, SegmentPopularity
from models.sequential import BERT4Rec, GRU4Rec, SASRec
from outfitter.errors import ModelError

FAMILIES: dict[str, type[Recommender]] = {
    family.name: family
    for family in (
        Popularity,
        RecentPopularity,
        SegmentPopularity,
        ItemKNN,
        UserKNN,
        EASE,
        ClosedForm,
        SparseClosedForm,
        SparseEASE,
        Blend,
        ImplicitALS,
        BPR,
        TwoTower,
        GRU4Rec,
        SASRec,
        BERT4Rec,
        NCF,
        MultiTask,
        BiasedMF,
        RatingMeans,
    )
}

KINDS: dict[str, Callable[[Any], bool]] = {
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value),
    "bool": lambda value: isinstance(value, bool),
}
"""What a parameter of each kind may be. They come from a command line or a file, and half an epoch would never be over."""


def family(name: str) -> type[Recommender]:
    """The class of a model's name. Raises ModelError for a name nobody has."""
    if name not in FAMILIES:
        raise ModelError(f"there is no model '{name}'", f"Choose one of: {', '.join(FAMILIES)}")
    return FAMILIES[name]


def build(recipe: Recipe) -> Recommender:
    """The unfitted model of a recipe. Raises ModelError for an unknown name, an unknown parameter or a value out of range."""
    chosen = family(recipe.model)
    kinds = {field.name: str(field.type) for field in fields(chosen)}  # type: ignore[arg-type]
    for name, value in recipe.params:
        wanted = kinds.get(name, "").removesuffix(" | None")
        if wanted in KINDS and not (value is None or KINDS[wanted](value)):
            raise ModelError(f"{name} of '{recipe.model}' must be of the kind {wanted}, not {value!r}")
    try:
        return chosen(**dict(recipe.params))
    except TypeError as error:
        raise ModelError(f"'{recipe.model}' cannot be built: {error}") from error


def load(path: Path) -> Recommender:
    """The fitted model of the artifact at ``path``. Raises ModelError when it is missing, damaged or of an unknown model."""
    arrays, meta = checkpoint.read(path)
    return family(str(meta.get("model"))).restore(arrays, meta)


@cache
def fingerprint() -> str:
    """Of all the code in ``models``: what another version of a model came to says nothing of this one."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:12]
