"""Sequential models learn what follows what, look where they may, and stop when what was held out says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import sparse

import models
from models.data import Histories, TrainingData
from models.metrics import Truth, ndcg
from models.sequential import BERT4Rec, GRU4Rec, SASRec
from models.sequential.base import SequentialRecommender
from models.sequential.layers import Dropout, ItemEmbedding, initialise
from models.sequential.learning import Foretelling, HeldOut, Network
from models.sequential.windows import windows
from outfitter.errors import ModelError, NotEnoughData
from tests.models.worlds import UNTIL, World, histories

KINDS: tuple[type[SequentialRecommender], ...] = (GRU4Rec, SASRec, BERT4Rec)
N_ITEMS = 24
SMALL: dict[str, Any] = {"dim": 16, "length": 8, "dropout": 0.1, "batch_size": 128, "learning_rate": 0.01, "epochs": 12}


def data_of(known: Histories, n_items: int = N_ITEMS, attributes: sparse.csr_matrix | None = None) -> TrainingData:
    return TrainingData(tuple(str(item) for item in range(n_items)), known, UNTIL, attributes=attributes)


def rule(n_users: int = 150, seed: int = 0) -> list[list[int]]:
    """Item i + 1 (modulo the number of items) follows item i, from a start of one's own."""
    rng = np.random.default_rng(seed)
    starts, lengths = rng.integers(0, N_ITEMS, n_users), rng.integers(4, 9, n_users)
    return [[int(start + step) % N_ITEMS for step in range(length)] for start, length in zip(starts, lengths, strict=True)]


def small(kind: type[SequentialRecommender], **params: Any) -> SequentialRecommender:
    """A model that learns a small world in a second; a cloze asks for fewer events of a window, so it takes more epochs."""
    patient = {"epochs": SMALL["epochs"] * 8, "dim": 32, "learning_rate": 0.003} if kind is BERT4Rec else {}
    return kind(**{**SMALL, **patient, **params})


def follows(model: SequentialRecommender, known: Sequence[Sequence[int]]) -> float:
    """The share of users who are recommended what the rule says."""
    best = model.recommend(histories(known), 1).items[:, 0]
    return float(np.mean(best == [(row[-1] + 1) % N_ITEMS for row in known]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_planted_rule_is_learnt(kind: type[SequentialRecommender]) -> None:
    """Also for users it has not met, and for histories longer than the window."""
    model = small(kind, validation=0).fit(data_of(histories(rule())))
    assert follows(model, rule(seed=1)) > 0.95
    assert follows(model, [list(range(start, start + 11)) for start in range(10)]) > 0.95


@pytest.mark.parametrize("loss", ["sampled_softmax", "gbce", "bce"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_planted_rule_is_learnt_with_every_loss(kind: type[SequentialRecommender], loss: str) -> None:
    epochs = SMALL["epochs"] * (16 if kind is BERT4Rec else 3)
    model = small(kind, loss=loss, negatives=8, validation=0, epochs=epochs).fit(data_of(histories(rule())))
    assert follows(model, rule(seed=1)) > 0.9


def test_the_sampled_softmax_may_sample_by_popularity() -> None:
    model = small(SASRec, loss="sampled_softmax", negatives=8, popularity=0.75, validation=0, epochs=36)
    assert follows(model.fit(data_of(histories(rule()))), rule(seed=1)) > 0.9


def network_of(model: SequentialRecommender, data: TrainingData) -> Network:
    network = Network(ItemEmbedding(data.n_items, model.dim, data.attributes), model._body())
    initialise(network, torch.Generator().manual_seed(0))
    return network.eval()


@pytest.mark.parametrize("kind", [GRU4Rec, SASRec])
@torch.no_grad()
def test_what_comes_later_does_not_change_what_was_foretold(kind: type[SequentialRecommender]) -> None:
    network = network_of(small(kind), data_of(histories(rule())))
    vectors = network.items()
    states = []
    for last in (7, 11):
        known = histories([[1, 2, 3, 4, last]])
        batch = next(windows(known, known.indptr[1:], 9, 1).batches(100))
        states.append(network.body.predictions(vectors, batch).states)
    torch.testing.assert_close(states[0], states[1])
    assert not torch.allclose(states[0][:-1], states[0][1:])


@torch.no_grad()
def test_a_hidden_event_is_not_seen() -> None:
    """With the same events hidden, what is foretold does not depend on them; it does on those around, before and after."""
    network = network_of(small(BERT4Rec), data_of(histories(rule())))
    vectors = network.items()

    def foretold(sequence: list[int], hide: int) -> torch.Tensor:
        hidden = (torch.arange(len(sequence)) == hide)[None]
        items, nothing = torch.tensor([sequence]), torch.zeros(1, len(sequence), dtype=torch.int64)
        return network.body._states(vectors, items, nothing, hidden, torch.ones_like(hidden))[hidden]  # type: ignore[operator]

    torch.testing.assert_close(foretold([1, 2, 3, 4], 2), foretold([1, 2, 9, 4], 2))
    assert not torch.allclose(foretold([1, 2, 3, 4], 2), foretold([1, 9, 3, 4], 2))
    assert not torch.allclose(foretold([1, 2, 3, 4], 2), foretold([1, 2, 3, 9], 2))


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_every_event_of_a_window_is_asked_for(kind: type[SequentialRecommender]) -> None:
    """A causal model is asked for every event but the first; a cloze, over many draws, for every event, the last one most."""
    network = network_of(small(kind), data_of(histories(rule())))
    known = histories([[1, 2, 3, 4, 5], [6, 7]])
    batch = next(windows(known, known.indptr[1:], network.body.width, network.body.overlap).batches(100))
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(0)
        asked = [network.body.predictions(network.items(), batch) for _ in range(300)]
    counts = torch.bincount(torch.cat([each.items for each in asked]), minlength=N_ITEMS)
    if kind is BERT4Rec:
        assert (counts[1:8] > 20).all()
        assert counts[[5, 7]].min() > 2 * counts[[1, 2, 3, 4, 6]].max()
    else:
        assert counts.nonzero()[:, 0].tolist() == [2, 3, 4, 5, 7]
    for each in asked:
        assert all(item in batch.items[row] for item, row in zip(each.items, each.rows, strict=True))


def test_weights_say_how_much_an_event_teaches() -> None:
    """Two rules contradict each other; the events of one of them weigh a hundredth."""
    up, down = rule(80), [row[::-1] for row in rule(80, seed=2)]
    known = histories(up + down)
    weights = np.concatenate([np.full(sum(map(len, rows)), weight) for rows, weight in ((up, 1.0), (down, 0.01))])
    model = small(SASRec, validation=0).fit(data_of(replace(known, weights=weights.astype(np.float32))))
    assert follows(model, [[item] for item in range(N_ITEMS)]) > 0.9


def attributed(seed: int = 0) -> tuple[TrainingData, np.ndarray]:
    """Users take items of one category; the last item of each was never taken by anyone."""
    rng = np.random.default_rng(seed)
    category = np.arange(N_ITEMS) % 4
    rows = [rng.permutation(np.flatnonzero(category[:-4] == user % 4)).tolist() for user in range(120)]
    names = sparse.csr_matrix((np.ones(N_ITEMS, np.float32), (np.arange(N_ITEMS), category)), shape=(N_ITEMS, 5))
    return data_of(histories(rows), attributes=names), category


@pytest.mark.parametrize("kind", KINDS)
def test_attributes_carry_over_to_items_nobody_took(kind: type[SequentialRecommender]) -> None:
    data, category = attributed()
    new = slice(N_ITEMS - 4, N_ITEMS)
    told = small(kind, validation=0, epochs=15).fit(data)
    untold = small(kind, validation=0, epochs=15, attributes=False).fit(data)
    chosen = [model.score(model.encode(data.histories), new).argmax(axis=1) for model in (told, untold)]
    expected = category[new][None, :].argsort()[0][np.arange(120) % 4]
    assert (chosen[0] == expected).mean() > 0.9
    assert (chosen[1] == expected).mean() < 0.6


def test_attributes_of_other_items_are_refused() -> None:
    data, _ = attributed()
    assert data.attributes is not None
    with pytest.raises(ModelError, match=f"attributes of 3 items, and {N_ITEMS} items"):
        small(SASRec).fit(replace(data, attributes=data.attributes[:3]))


def test_an_item_without_attributes_is_its_own_vector_alone() -> None:
    """By hand: the mean of the attributes' vectors is added, and a 0 that is stored does not count."""
    data, _ = attributed()
    names = sparse.csr_matrix(np.array([[1, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=np.float32))
    names.data[3] = 0  # item 2 has the second attribute only
    model = small(SASRec)
    kept = model._attributes(data_of(data.histories, 3, names))
    items = ItemEmbedding(3, 4, kept)
    initialise(items, torch.Generator().manual_seed(0))
    assert items.attribute is not None
    expected = torch.stack([items.attribute[:2].mean(dim=0), torch.zeros(4), items.attribute[1]])
    torch.testing.assert_close(items() - items.item, expected)


def timed(n_users: int = 200, seed: int = 0) -> Histories:
    """Item 0, then soon or late item 1, then item 2 when it was soon and item 3 when it was late."""
    late = np.random.default_rng(seed).random(n_users) < 0.5
    known = histories([[0, 1, 3 if one else 2] for one in late])
    ages = np.concatenate([[100.0 + gap, 100.0, 10.0] for gap in np.where(late, 30.0, 0.05)])
    return replace(known, ages=ages.astype(np.float32))


@pytest.mark.parametrize("kind", KINDS)
def test_the_time_between_events_is_read_when_asked_for(kind: type[SequentialRecommender]) -> None:
    asked = replace(histories([[0, 1], [0, 1]]), ages=np.array([50.0, 49.95, 50.0, 20.0], dtype=np.float32))
    told = small(kind, gaps=True, validation=0).fit(data_of(timed()))
    assert told.recommend(asked, 1).items[:, 0].tolist() == [2, 3]
    untold = small(kind, validation=0).fit(data_of(timed()))
    np.testing.assert_allclose(*untold.encode(asked), rtol=1e-5)


def looked_at() -> Histories:
    """Users of three kinds: whose last event is new, whose last event repeats, and who only looked at it last."""
    known = histories([[0, 1, 2, 3], [0, 1, 2, 0], [0, 1, 2, 3], [4, 5], [6], [], [7, 7, 8, 9]])
    taken = np.ones(len(known.items), dtype=np.bool_)
    taken[known.indptr[3] - 1] = False
    return replace(known, taken=taken)


def test_held_out_is_the_newest_item_where_it_could_have_been_recommended() -> None:
    known = looked_at()
    held_out = HeldOut.draw(known, 10, seed=0)
    assert held_out.users.tolist() == [0, 6]
    assert held_out.items.tolist() == [3, 9]
    assert [held_out.known.rows(row, row + 1).items.tolist() for row in range(2)] == [[0, 1, 2], [7, 7, 8]]
    assert (known.indptr[1:] - held_out.stops(known)).tolist() == [1, 0, 0, 0, 0, 0, 1]


def test_at_most_so_many_users_are_held_out() -> None:
    known = histories(rule())
    users = [HeldOut.draw(known, 40, seed).users.tolist() for seed in (0, 0, 1)]
    assert users[0] == users[1] != users[2]
    assert len(set(users[0])) == 40


def test_the_validation_metric_is_the_ndcg_of_the_lists() -> None:
    """As ``recommend`` and ``models.metrics`` give it, looks not ruling an item out."""
    rng = np.random.default_rng(3)
    known = histories([rng.permutation(N_ITEMS)[:6].tolist() for _ in range(700)])
    known = replace(known, taken=rng.random(len(known.items)) < 0.7)
    model = small(SASRec, epochs=1, validation=0).fit(data_of(known))
    network = network_of(model, data_of(known))
    network.body.load_state_dict(model._fitted_body().state_dict())
    network.items.item.data = torch.from_numpy(model.arrays["item_vectors"])
    held_out = HeldOut.draw(known, 650, seed=0)
    truth = Truth(np.arange(len(held_out.items) + 1), held_out.items.astype(np.int32))
    expected = ndcg(model.recommend(held_out.known, 10).items, truth).mean()
    assert Foretelling(network, held_out, torch.device("cpu"))() == pytest.approx(expected, rel=1e-5)
    assert expected > 0


def test_a_network_that_scores_all_items_alike_foretells_nothing() -> None:
    known = histories(rule())
    network = network_of(small(SASRec), data_of(known))
    network.items.item.data.zero_()
    assert Foretelling(network, HeldOut.draw(known, 100, 0), torch.device("cpu"))() == 0


def test_the_best_epoch_decides_how_long_all_is_learnt_from() -> None:
    model = small(SASRec, patience=2).fit(data_of(histories(rule())))
    scores = model.arrays["validation_ndcg"]
    best = int(scores.argmax()) + 1
    assert len(scores) in {best + 2, SMALL["epochs"]}
    assert len(model.arrays["training_loss"]) == best
    once = small(SASRec, patience=2, refit=False).fit(data_of(histories(rule())))
    np.testing.assert_array_equal(once.arrays["validation_ndcg"], scores)
    assert len(once.arrays["training_loss"]) == len(scores)


def test_with_too_few_users_to_validate_every_epoch_is_run() -> None:
    model = small(SASRec).fit(data_of(histories(rule(19))))
    assert len(model.arrays["training_loss"]) == SMALL["epochs"]
    assert "validation_ndcg" not in model.arrays


@pytest.mark.parametrize("kind", KINDS)
def test_refuses_to_learn_an_order_from_single_events(kind: type[SequentialRecommender]) -> None:
    with pytest.raises(NotEnoughData, match="what follows what"):
        small(kind).fit(data_of(histories([[1], [2], []])))


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_neighbours_in_a_batch_change_nothing(kind: type[SequentialRecommender]) -> None:
    model = small(kind, epochs=2).fit(data_of(histories(rule())))
    rows = [[1, 2, 3], [], [4], list(range(20)), [9, 8]]
    together = model.encode(histories(rows))
    for place, row in enumerate(rows):
        np.testing.assert_allclose(model.encode(histories([row]))[0], together[place], rtol=1e-4, atol=1e-5)
    assert not together[1].any()
    assert not model.encode(histories([[], []])).any()


def test_only_the_last_events_count() -> None:
    model = small(SASRec, epochs=2).fit(data_of(histories(rule())))
    long = list(range(20))
    np.testing.assert_allclose(*model.encode(histories([long, long[-8:]])), rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_scores_are_products_with_the_named_vectors(kind: type[SequentialRecommender], world: World, tmp_path: Path) -> None:
    """What a faster path may rely on; the query of a loaded model included."""
    model = small(kind, epochs=2).fit(world.data)
    assert kind.item_vectors_name == "item_vectors"
    vectors = model.arrays["item_vectors"]
    assert vectors.dtype == np.float32
    assert vectors.shape == (world.data.n_items, model.dim)
    again = models.load(model.save(tmp_path / "model"))
    query = again.encode(world.data.histories)
    np.testing.assert_array_equal(query @ vectors[5:9].T, model.score(model.encode(world.data.histories), slice(5, 9)))


def test_dropout() -> None:
    """A share is dropped, the mean is kept, evaluation is left alone, and torch's seed decides."""
    layer, values = Dropout(0.3), torch.ones(1000, 37)
    with torch.random.fork_rng([]):
        torch.default_generator.manual_seed(5)
        dropped = layer(values)
        torch.default_generator.manual_seed(5)
        assert torch.equal(layer(values), dropped)
    assert (dropped == 0).float().mean().item() == pytest.approx(77 / 256, abs=0.01)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert len(dropped.unique()) == 2
    assert torch.equal(layer.eval()(values), values)


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_leaves_torch_as_it_was(kind: type[SequentialRecommender]) -> None:
    state, threads = torch.random.get_rng_state(), torch.get_num_threads()
    model = small(kind, epochs=2, threads=2).fit(data_of(histories(rule())))
    model.recommend(histories([[1, 2]]), 3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("kind", KINDS)
def test_a_worker_without_windows_has_nothing_to_add(kind: type[SequentialRecommender]) -> None:
    """Several workers share a batch by windows, and a batch may be one long window."""
    model = small(kind)
    network = Network(ItemEmbedding(N_ITEMS, model.dim, None), model._body())
    initialise(network, torch.Generator().manual_seed(0))
    whole = windows(histories(rule(6)), histories(rule(6)).indptr[1:], network.body.width, network.body.overlap)
    none = next(iter(whole.batches(1000, torch.Generator().manual_seed(0)))).pick(slice(1000, None))
    vectors = network.items()
    loss = model._objective(data_of(histories(rule(6))), torch.device("cpu"))(network.body.predictions(vectors, none), vectors, none)
    loss.backward()
    assert loss.item() == 0
