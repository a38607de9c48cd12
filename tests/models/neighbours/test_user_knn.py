"""User neighbours against loops over pairs of users."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from models.data import Histories, TrainingData
from models.neighbours import user_knn
from models.neighbours.user_knn import UserKNN, opinions
from outfitter.errors import ModelError, NotEnoughData
from tests.models.worlds import UNTIL, blocks, histories

N_ITEMS = 15
ALL = 1000
SIMILARITIES = ["pearson", "pearson_own_means", "cosine"]
Opinions = list[dict[int, float]]


@pytest.fixture(scope="module")
def data() -> TrainingData:
    """30 users with up to 9 ratings of 1 to 5 stars; some events are no ratings, one user always gives the same."""
    rng = np.random.default_rng(2)
    events = histories([rng.permutation(N_ITEMS)[: rng.integers(0, 10)].tolist() for _ in range(30)])
    stars = rng.integers(1, 6, size=len(events.items)).astype(np.float32)
    stars[rng.random(len(stars)) < 0.1] = np.nan
    stars[events.indptr[7] : events.indptr[8]] = 3.1
    return TrainingData(tuple(f"item {item}" for item in range(N_ITEMS)), replace(events, values=stars), UNTIL)


def told(histories: Histories) -> Opinions:
    """What each user made of each item."""
    assert histories.values is not None
    out: Opinions = []
    for first, last in zip(histories.indptr[:-1], histories.indptr[1:], strict=True):
        mine = zip(histories.items[first:last].tolist(), histories.values[first:last].tolist(), strict=True)
        out.append({item: value for item, value in mine if not np.isnan(value)})
    return out


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def similarity(one: dict[int, float], other: dict[int, float], kind: str, shrink: float) -> float:
    """The formulas as the books have them."""
    common = [item for item in one if item in other]
    if not common:
        return 0.0
    damping = len(common) / (len(common) + shrink)
    if kind == "cosine":
        lengths = [sum(value**2 for value in user.values()) ** 0.5 for user in (one, other)]
        return damping * sum(one[item] * other[item] for item in common) / (lengths[0] * lengths[1])
    over = (common, common) if kind == "pearson" else (list(one), list(other))
    x_mean, y_mean = mean([one[item] for item in over[0]]), mean([other[item] for item in over[1]])
    above = sum((one[item] - x_mean) * (other[item] - y_mean) for item in common)
    below = sum((one[item] - x_mean) ** 2 for item in common) * sum((other[item] - y_mean) ** 2 for item in common)
    return damping * above / below**0.5 if below > 1e-6 else 0.0


@pytest.mark.parametrize(("kind", "shrink"), list(product(SIMILARITIES, [0.0, 3.0])))
def test_similarities_follow_the_formula(kind: str, shrink: float, data: TrainingData) -> None:
    model = UserKNN(ALL, shrink, kind).fit(data)  # type: ignore[arg-type]
    known = told(data.histories)
    expected = np.array([[max(0.0, similarity(one, other, kind, shrink)) for other in known] for one in known])
    found = model._nearest(data.histories).toarray()
    assert (expected > 0.1).sum() > 60
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_pearson_by_hand() -> None:
    """Items 0 to 2 in common: 1 2 3 and 2 2 5 around 2 and 3, so 3 / sqrt(2 * 6); all means: 1.75 and 4, so -.25 / sqrt(2.1875 * 9)."""
    events = histories([[0, 1, 2, 3], [0, 1, 2, 4]])
    stars = np.array([1, 2, 3, 1, 2, 2, 5, 7], dtype=np.float32)
    data = TrainingData(tuple("abcde"), replace(events, values=stars), UNTIL)
    proper = UserKNN(2, 0.0, "pearson").fit(data)
    np.testing.assert_allclose(proper._nearest(data.histories)[0, 1], 3 / 12**0.5, rtol=1e-6)
    own = UserKNN(2, 0.0, "pearson_own_means").fit(data)
    above = (1 - 1.75) * -2 + (2 - 1.75) * -2 + (3 - 1.75) * 1
    below = (0.75**2 + 0.25**2 + 1.25**2) * (4 + 4 + 1)
    np.testing.assert_allclose(own._nearest(data.histories)[0, 1], above / below**0.5, rtol=1e-6)


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_only_the_nearest_are_kept(kind: str, data: TrainingData) -> None:
    few, whole = (UserKNN(kept, 1.7, kind).fit(data)._nearest(data.histories).toarray() for kept in (3, ALL))  # type: ignore[arg-type]
    assert ((few == whole) | (few == 0)).all()
    np.testing.assert_array_equal(np.sort(few)[:, -3:], np.sort(whole)[:, -3:])
    assert (few > 0).sum(axis=1).max() == 3


@pytest.mark.parametrize("kind", SIMILARITIES)
def test_votes_and_stars_follow_the_formula(kind: str, data: TrainingData) -> None:
    model = UserKNN(5, 1.7, kind).fit(data)  # type: ignore[arg-type]
    known, near = told(data.histories), model._nearest(data.histories).toarray()
    votes = model.encode(data.histories).toarray()
    pairs = np.array(list(product(range(30), range(N_ITEMS))))
    stars = model.predict(data.histories, pairs[:, 0], pairs[:, 1]).reshape(30, N_ITEMS)
    everything = [value for user in known for value in user.values()]
    overall, given = mean(everything), (min(everything), max(everything))
    for user, item in pairs.tolist():
        voting = [(near[user, row], other[item], mean(list(other.values()))) for row, other in enumerate(known) if item in other]
        above = sum(s * (value - less) for s, value, less in voting)
        expected = sum(s * value for s, value, _ in voting) if kind == "cosine" else above
        np.testing.assert_allclose(votes[user, item], expected, atol=1e-4)
        own, weight = mean(list(known[user].values())) if known[user] else overall, sum(s for s, *_ in voting)
        told_stars = np.clip(own + (above / weight if weight else 0), *given)
        np.testing.assert_allclose(stars[user, item], told_stars, atol=1e-4)


def test_an_unknown_item_gets_the_mean_of_the_user_and_a_wrong_pair_is_refused(data: TrainingData) -> None:
    model = UserKNN(5, 1.7).fit(data)
    own = [mean(list(rated.values())) for rated in told(data.histories) if rated]
    rated = np.flatnonzero([bool(rated) for rated in told(data.histories)])
    np.testing.assert_allclose(model.predict(data.histories, rated, np.full(len(rated), -1)), own, rtol=1e-5)
    for users, items in (([30], [0]), ([-1], [0]), ([0], [N_ITEMS]), ([0], [-2]), ([0, 1], [0])):
        with pytest.raises(ModelError, match=r"is not among|must be pairs"):
            model.predict(data.histories, np.array(users), np.array(items))


def test_stars_stay_within_those_that_were_given(data: TrainingData, monkeypatch: pytest.MonkeyPatch) -> None:
    model = UserKNN(5, 0.0).fit(data)
    pairs = np.array(list(product(range(29, -1, -1), range(N_ITEMS))))
    stars = model.predict(data.histories, pairs[:, 0], pairs[:, 1])
    given = model.arrays["values"]
    assert (stars.min(), stars.max()) == (given.min(), given.max())
    monkeypatch.setattr(user_knn, "USER_BLOCK", 7)
    np.testing.assert_array_equal(model.predict(data.histories, pairs[:, 0], pairs[:, 1]), stars)
    assert model.predict(data.histories, np.empty(0, np.int64), np.empty(0, np.int64)).shape == (0,)


def test_the_latest_stars_count_and_weights_do_where_nothing_is_rated() -> None:
    events = replace(histories([[2, 1, 2], [0, 0]]), values=np.array([5, np.nan, 1, 2, 4], dtype=np.float32))
    np.testing.assert_array_equal(opinions(events, 3, rated=True).toarray(), [[0, 0, 1], [4, 0, 0]])
    np.testing.assert_array_equal(opinions(events, 3, rated=False).toarray(), [[0, 1, 2], [2, 0, 0]])


def test_whoever_rated_nothing_has_no_neighbours(data: TrainingData) -> None:
    model = UserKNN().fit(data)
    best = model.recommend(histories([[0, 1, 2, 3]]), N_ITEMS - 4)
    assert best.items[0].tolist() == [item for item in np.argsort(-model.prior, kind="stable").tolist() if item > 3]


def test_equal_weights_have_a_cosine_but_no_correlation() -> None:
    world = blocks(60, 24, 2, 5)
    unrated = replace(world.data.histories, values=None)
    data = replace(world.data, histories=unrated)
    with pytest.raises(NotEnoughData, match=r"all equal.*cosine"):
        UserKNN(similarity="pearson").fit(data)
    near = UserKNN(similarity="cosine", neighbours=10).fit(data)
    shown = near.recommend(unrated, 5).items
    assert (world.block_of_item[shown] == np.arange(60)[:, None] % 2).all()


def test_infinite_stars_are_refused(data: TrainingData) -> None:
    values = np.full(len(data.histories.items), np.inf, dtype=np.float32)
    values[0] = 1
    with pytest.raises(ModelError, match="infinite"):
        UserKNN().fit(replace(data, histories=replace(data.histories, values=values)))
