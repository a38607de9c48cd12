"""An artifact whose arrays do not fit together is refused: compiled loops would read past their ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from models.base import Recommender
from models.families import FAMILIES, family
from outfitter.errors import ModelError
from tests.models.worlds import histories

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(params=sorted(set(FAMILIES) - {"blend"}))
def model(request: pytest.FixtureRequest, fitted: dict[str, Recommender]) -> Recommender:
    return fitted[request.param]


def restored(model: Recommender, arrays: Arrays) -> Recommender:
    meta = {"params": model.params(), "item_ids": list(model.item_ids), "fit_until": model.fit_until}
    return family(model.name).restore(arrays, meta)


def held(model: Recommender) -> Arrays:
    return {**model.arrays, "prior": model.prior}


def test_what_is_read_is_declared(model: Recommender) -> None:
    """All that a model keeps is checked but what a torch network checks itself, and what nothing reads."""
    unread = {"training_loss", "validation_loss", "validation_ndcg", "log_variances", "item_offset", "index"}
    torch_checks = {name for name in model.arrays if name.startswith(("body.", "network."))}
    assert set(model.arrays) - unread - torch_checks == set(model.layout)


def test_each_array_must_be_there(model: Recommender) -> None:
    for name in (*model.layout, "prior"):
        with pytest.raises(ModelError, match=f"'{name}' is missing"):
            restored(model, {key: array for key, array in held(model).items() if key != name})


def test_each_array_must_have_its_axes(model: Recommender) -> None:
    for name, array in ((name, held(model)[name]) for name in (*model.layout, "prior")):
        with pytest.raises(ModelError, match=f"'{name}' has"):
            restored(model, {**held(model), name: array[None]})
        with pytest.raises(ModelError, match=f"'{name}' holds"):
            restored(model, {**held(model), name: np.full(array.shape, "x")})


def test_what_is_of_items_must_be_of_all_of_them(model: Recommender) -> None:
    of_items = [name for name, one in model.layout.items() if one.axes[:1] in (("items",), ("items+1",))]
    for name in (*of_items, "prior"):
        with pytest.raises(ModelError, match=r"has shape|into runs"):
            restored(model, {**held(model), name: held(model)[name][:-1]})


def test_places_lie_in_the_catalogue(model: Recommender) -> None:
    for name in (name for name, one in model.layout.items() if one.places_in and model.arrays[name].size):
        for wrong in (10_000, -1 - model.layout[name].padded):
            array = model.arrays[name].copy()
            array.flat[0] = wrong
            with pytest.raises(ModelError, match=f"'{name}' names places"):
                restored(model, {**held(model), name: array})


def test_starts_rise_from_the_first_to_the_last(model: Recommender) -> None:
    for name in (name for name, one in model.layout.items() if one.starts_of):
        for place, wrong in ((0, 1), (1, 10_000), (-1, 10_000)):
            array = model.arrays[name].copy()
            array[place] = wrong
            with pytest.raises(ModelError, match=f"'{name}' does not divide"):
                restored(model, {**held(model), name: array})


def test_numbers_are_finite(model: Recommender) -> None:
    for name in (
        name for name, array in held(model).items() if name in (*model.layout, "prior") and array.dtype.kind == "f" and array.size
    ):
        array = held(model)[name].copy()
        array.flat[-1] = np.nan
        with pytest.raises(ModelError, match=f"'{name}' holds something"):
            restored(model, {**held(model), name: array})


@pytest.mark.parametrize("name", ["two_tower", "gru4rec", "sasrec", "bert4rec"])
def test_a_network_gets_all_of_its_weights(name: str, fitted: dict[str, Recommender]) -> None:
    model = fitted[name]
    weight = next(key for key in model.arrays if key.startswith(("body.", "network.")))
    without = {key: array for key, array in held(model).items() if key != weight}
    for arrays in (without, {**without, weight: model.arrays[weight][:-1]}, {**without, weight: model.arrays[weight].astype(int)}):
        with pytest.raises(ModelError, match=f"'{weight}'"):
            restored(model, arrays).recommend(histories([[0, 1]]), 3)


@pytest.mark.parametrize("name", ["als", "bpr", "biased_mf", "rating_means", "ncf", "multi_task", "two_tower", "sasrec"])
def test_lengths_are_those_of_the_parameters(name: str, fitted: dict[str, Recommender]) -> None:
    model = fitted[name]
    params = {"factors" if "factors" in model.params() else "dim": 5} if name != "rating_means" else {}
    arrays = held(model) if params else {**held(model), "item_vectors": np.ones((len(model.item_ids), 3), dtype=np.float32)}
    meta = {"params": {**model.params(), **params}, "item_ids": list(model.item_ids), "fit_until": model.fit_until}
    with pytest.raises(ModelError, match="has shape"):
        family(name).restore(arrays, meta)


def test_starts_without_any_are_refused(fitted: dict[str, Recommender]) -> None:
    for name, starts in (("user_knn", "indptr"), ("segment_popularity", "taken_starts")):
        with pytest.raises(ModelError, match=f"'{starts}' has shape"):
            restored(fitted[name], {**held(fitted[name]), starts: np.empty(0, dtype=np.int64)})


def test_two_towers_need_their_index_and_codes_in_range(fitted: dict[str, Recommender]) -> None:
    model = fitted["two_tower"]
    meta = {"params": {**model.params(), "retrieval": "hnsw"}, "item_ids": list(model.item_ids), "fit_until": model.fit_until}
    with pytest.raises(ModelError, match="'index' is missing"):
        family("two_tower").restore(held(model), meta)
    wild = restored(model, {**held(model), "codes": model.arrays["codes"] + 10_000})
    with pytest.raises(ModelError, match="code out of range"):
        wild.recommend(histories([[0]]), 3)


def test_a_blend_checks_its_members(fitted: dict[str, Recommender]) -> None:
    blend = fitted["blend"]
    with pytest.raises(ModelError, match="in the artifact of 'item_knn' the array 'neighbours' is missing"):
        restored(blend, {key: array for key, array in held(blend).items() if key != "1.neighbours"})
