"""Several tasks: each head follows its own events, tasks weigh what they should, and lists follow the stated combination."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from models.data import Histories, TrainingData
from models.neural.examples import Batch
from models.neural.multi_task import TASKS, MultiTask, tasks_of
from models.neural.pairwise import bce
from models.neural.shared_bottom import SharedBottom
from outfitter.errors import ModelError, NotEnoughData
from outfitter.schema import EVENTS
from tests.models.worlds import UNTIL, World, histories

N_ITEMS = 24


def quick(**params: object) -> MultiTask:
    return MultiTask(**{"dim": 16, "epochs": 15, "batch_size": 128, "learning_rate": 0.01, "validation": 0.0, **params})  # type: ignore[arg-type]


def happened(sequences: list[list[int]], events: list[list[str]]) -> Histories:
    codes = [EVENTS.index(event) for row in events for event in row]
    return replace(histories(sequences), events=np.array(codes, dtype=np.int8))


def data(known: Histories) -> TrainingData:
    return TrainingData(tuple(str(item) for item in range(N_ITEMS)), known, UNTIL)


def planted(seed: int = 0) -> Histories:
    """Users of group g click items 0-5 + 6g and buy items 12-17 + 6g, in any order."""
    rng = np.random.default_rng(seed)
    sequences, events = [], []
    for user in range(160):
        clicks, buys = (rng.permutation(6)[:4] + 6 * (user % 2) + offset for offset in (0, 12))
        sequences.append(rng.permutation([*clicks, *buys]).tolist())
        events.append(["click" if item < 12 else "purchase" for item in sequences[-1]])
    return happened(sequences, events)


def test_each_head_follows_its_own_events() -> None:
    known = planted()
    model = quick().fit(data(known))
    for group in (0, 1):
        users = known.rows(group, group + 1)
        clicked, bought = (set(model.log_odds(users, task, slice(0, N_ITEMS))[0].argsort()[-6:].tolist()) for task in ("click", "purchase"))
        assert clicked == set(range(6 * group, 6 * group + 6))
        assert bought == set(range(12 + 6 * group, 18 + 6 * group))


def test_a_signal_in_clicks_alone_moves_the_click_head_alone() -> None:
    """The same events, of which those on items 0 to 5 of half the users now are clicks on items 6 to 11: purchases are the same."""
    known = planted()
    items = known.items.copy()
    clicks = known.events == EVENTS.index("click")
    items[clicks & (items < 6)] += 6
    before, after = (quick().fit(data(one)) for one in (known, replace(known, items=items)))
    asked = happened([[12, 13]], [["purchase"] * 2])  # one of group 0

    def moved(task: str) -> np.ndarray:
        told = [model.log_odds(asked, task, slice(0, N_ITEMS))[0] for model in (before, after)]
        chances = [np.exp(one) / np.exp(one).sum() for one in told]
        return chances[1] - chances[0]

    assert moved("click")[:6].sum() < -0.5
    assert moved("click")[6:12].sum() > 0.5
    assert np.abs(moved("purchase")).max() < 0.1


def test_clicks_help_to_foretell_purchases() -> None:
    """Of a user who has clicked and never bought the purchase head knows the group: the embeddings are shared."""
    model = quick().fit(data(planted()))
    told = model.log_odds(happened([[0, 1, 2], [6, 7, 8]], [["click"] * 3] * 2), "purchase", slice(12, 24))
    assert (told.argmax(axis=1) // 6).tolist() == [0, 1]


def test_lists_follow_the_combination() -> None:
    known = planted()
    whole = slice(0, N_ITEMS)
    model = quick(epochs=3, by_click=0.5, by_like=-0.25, by_purchase=2.0).fit(data(known))
    heads = [model.log_odds(known, task, whole) for task in TASKS]
    np.testing.assert_allclose(
        model.score(model.encode(known), whole), 0.5 * heads[0] - 0.25 * heads[1] + 2 * heads[2], rtol=1e-4, atol=1e-4
    )
    bought = quick(epochs=3).fit(data(known))
    ranked = bought.recommend(known, N_ITEMS, exclude_seen=False).items
    np.testing.assert_array_equal(ranked, np.argsort(-bought.log_odds(known, "purchase", whole), axis=1, kind="stable"))
    with pytest.raises(ModelError, match="no task 'rent'"):
        bought.log_odds(known, "rent", whole)


def batch(kinds: list[int]) -> tuple[SharedBottom, Batch]:
    rng = torch.Generator().manual_seed(0)
    network = SharedBottom(N_ITEMS, 3, 4)
    network.initialise(rng)
    for parameter in network.parameters():
        parameter.data += torch.randn(parameter.shape, generator=rng) / 2
    size = len(kinds)
    items, before, others = (torch.randint(0, N_ITEMS, shape, generator=rng) for shape in ((size,), (size, 3), (size, 5)))
    weights = torch.rand(size, generator=rng) + 0.1
    return network, Batch(
        items, torch.tensor(kinds), weights, before, torch.full((size, 3), 1 / 3), others, torch.rand(size, 5, generator=rng) < 0.8
    )


@torch.no_grad()
def means(network: SharedBottom, one: Batch) -> dict[int, float]:
    """The weighted mean loss of each task there is, example by example."""
    users = network.users(one.before, one.shares)
    found: dict[int, list[tuple[float, float]]] = {}
    for row, kind in enumerate(one.kinds.tolist()):
        query = network.heads[kind] @ users[row]
        own = query @ network.item[one.items[row]] + network.biases[kind, one.items[row]]
        others = network.item[one.others[row]] @ query + network.biases[kind, one.others[row]]
        value = bce(own[None], others[None], one.strange[row][None])
        found.setdefault(kind, []).append((float(value), float(one.weights[row])))
    return {kind: sum(value * weight for value, weight in each) / sum(weight for _, weight in each) for kind, each in found.items()}


@pytest.mark.parametrize("kinds", [[0, 1, 2, 0, 2, 2, 0], [2, 0, 2, 2]])
def test_fixed_weights_are_those_of_the_tasks_means(kinds: list[int]) -> None:
    network, one = batch(kinds)
    expected = sum((0.5, 0.3, 0.2)[task] * mean for task, mean in means(network, one).items())
    assert MultiTask()._loss(network, one).item() == pytest.approx(expected, rel=1e-5)
    expected = sum((0.0, 0.0, 3.0)[task] * mean for task, mean in means(network, one).items())
    assert MultiTask(click=0, like=0, purchase=3)._loss(network, one).item() == pytest.approx(expected, rel=1e-5)


def test_learnt_weights_are_kendalls_and_leave_absent_tasks_alone() -> None:
    network, one = batch([2, 0, 2, 2])
    mean, given = means(network, one), network.log_variances.tolist()
    loss = MultiTask(weighting="learnt")._loss(network, one)
    expected = sum(np.exp(-given[task]) * mean[task] + given[task] / 2 for task in (0, 2))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()  # type: ignore[no-untyped-call]
    slope = network.log_variances.grad
    assert slope is not None
    assert slope[1] == 0
    assert slope[2].item() == pytest.approx(0.5 - np.exp(-given[2]) * mean[2], rel=1e-4)


def test_a_task_of_noise_gets_the_larger_variance() -> None:
    """Purchases follow the group, clicks nothing."""
    known = planted()
    items = known.items.copy()
    clicks = known.events == EVENTS.index("click")
    items[clicks] = np.random.default_rng(5).integers(0, 12, clicks.sum())
    log_variances = quick(weighting="learnt", epochs=30).fit(data(replace(known, items=items))).arrays["log_variances"]
    assert log_variances[0] > log_variances[2] + 0.1
    assert log_variances[1] == 0, "nobody liked anything"


def test_unknown_events_are_purchases(world: World) -> None:
    codes = np.full(len(world.data.histories.items), EVENTS.index("purchase"), dtype=np.int8)
    told = replace(world.data, histories=replace(world.data.histories, events=codes))
    first, second = (quick(epochs=2).fit(one) for one in (world.data, told))
    for name, array in first.arrays.items():
        np.testing.assert_array_equal(array, second.arrays[name])
    assert not first.arrays["biases"][:2].any()


def test_every_event_teaches_one_task_and_returns_none() -> None:
    every = happened([list(range(8))], [list(EVENTS)])
    named = [TASKS[task] if task >= 0 else "none" for task in tasks_of(every)]
    assert dict(zip(EVENTS, named, strict=True)) == {
        "view": "click",
        "click": "click",
        "like": "like",
        "cart": "like",
        "purchase": "purchase",
        "rent": "purchase",
        "rating": "purchase",
        "return": "none",
    }
    with pytest.raises(NotEnoughData, match="learns from clicks, likes and purchases"):
        quick().fit(data(happened([[0, 1]], [["return", "return"]])))


def test_one_user_and_one_item_are_enough() -> None:
    model = quick(weighting="learnt").fit(replace(data(histories([[0]])), item_ids=("only",)))
    assert model.recommend(histories([[0], []]), 1, exclude_seen=False).items.tolist() == [[0], [0]]
    assert np.isfinite(model.log_odds(histories([[0], []]), "click", slice(0, 1))).all()
