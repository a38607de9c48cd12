"""An artifact is whole or it is refused."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import models
from models import checkpoint
from models.base import Recommender
from outfitter.errors import ModelError

ARRAYS = {
    "b": np.arange(6, dtype=np.float32).reshape(2, 3),
    "a": np.array([1, 2], dtype=np.int64),
    "c": np.zeros((0, 4), dtype=np.int32),
}
META = {"model": "x", "item_ids": ["01", "skjørt"], "half_life": 0.1}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    arrays, meta = checkpoint.read(checkpoint.write(tmp_path / "deep" / "model", ARRAYS, META))
    assert meta == META
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    one = checkpoint.write(tmp_path / "one", ARRAYS, META)
    two = checkpoint.write(tmp_path / "two", dict(reversed(ARRAYS.items())), dict(reversed(META.items())))
    assert sorted(file.name for file in one.iterdir()) == ["meta.json", "weights.safetensors"]
    for file in one.iterdir():
        assert file.read_bytes() == (two / file.name).read_bytes()


def test_views_are_stored_as_they_look(tmp_path: Path) -> None:
    square = np.arange(6, dtype=np.float32).reshape(2, 3)
    arrays, _ = checkpoint.read(
        checkpoint.write(tmp_path / "m", {"turned": square.T, "every": square[:, ::2], "one": np.float32(3)[()]}, {})
    )
    np.testing.assert_array_equal(arrays["turned"], square.T)
    np.testing.assert_array_equal(arrays["every"], square[:, ::2])


def test_a_new_artifact_replaces_the_old_and_leaves_nothing_behind(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "m", ARRAYS, META)
    checkpoint.write(tmp_path / "m", {"a": np.ones(1)}, {"second": True})
    assert checkpoint.read(tmp_path / "m")[1] == {"second": True}
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def test_what_a_killed_writer_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    killed, other, mine = tmp_path / f".m.{'0' * 32}", tmp_path / f".more.{'0' * 32}", tmp_path / ".m.notes"
    for folder in (killed, other, mine):
        folder.mkdir()
    checkpoint.write(tmp_path / "m", ARRAYS, META)
    assert {entry.name for entry in tmp_path.iterdir()} == {"m", other.name, mine.name}


def test_what_a_killed_writer_left_stays_until_there_is_something_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Killed between its two renames, a writer leaves the old artifact and the new one, and nothing under the name."""
    left = checkpoint.write(tmp_path / f".m.{'0' * 32}", ARRAYS, META)

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "_write_synced", full)
        with pytest.raises(OSError, match="no space"):
            checkpoint.write(tmp_path / "m", ARRAYS, META)
    assert [entry.name for entry in tmp_path.iterdir()] == [left.name]


def test_writers_of_one_artifact_wait_for_each_other(tmp_path: Path) -> None:
    def write(number: int) -> None:
        checkpoint.write(tmp_path / "m", {"a": np.full(1000, number)}, {"number": number})

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, range(40)))
    arrays, meta = checkpoint.read(tmp_path / "m")
    assert set(arrays["a"].tolist()) == {meta["number"]}
    assert [entry.name for entry in tmp_path.iterdir()] == ["m"]


def test_another_folder_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "photo.jpg").write_text("keep me")
    with pytest.raises(ModelError, match="not a model artifact"):
        checkpoint.write(tmp_path / "m", ARRAYS, META)
    assert (tmp_path / "m" / "photo.jpg").read_text() == "keep me"


@pytest.mark.parametrize("arrays", [{"a": np.array(["text"], dtype=object)}, {"a": np.array([1 + 2j])}])
def test_what_safetensors_cannot_hold_is_refused(arrays: dict[str, np.ndarray], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        checkpoint.write(tmp_path / "m", arrays, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("meta", [{"x": float("nan")}, {"x": object()}])
def test_what_json_cannot_hold_is_refused(meta: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be written"):
        checkpoint.write(tmp_path / "m", ARRAYS, meta)


def _drop_weights(path: Path) -> None:
    (path / checkpoint.WEIGHTS).unlink()


def _drop_meta(path: Path) -> None:
    (path / checkpoint.META).unlink()


def _cut(path: Path) -> None:
    weights = path / checkpoint.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-5])


def _flip(path: Path) -> None:
    weights = path / checkpoint.WEIGHTS
    content = bytearray(weights.read_bytes())
    content[-3] ^= 1
    weights.write_bytes(content)


def _half_meta(path: Path) -> None:
    meta = path / checkpoint.META
    meta.write_text(meta.read_text()[:20])


def _binary_meta(path: Path) -> None:
    (path / checkpoint.META).write_bytes(b"\xff\xfe\x00")


def _edit_meta(path: Path) -> None:
    meta = json.loads((path / checkpoint.META).read_text())
    (path / checkpoint.META).write_text(json.dumps({**meta, "fit_until": "2099-01-01"}))


def _other_format(path: Path) -> None:
    meta = json.loads((path / checkpoint.META).read_text())
    (path / checkpoint.META).write_text(json.dumps({**meta, "format": 99}))


def _nan_meta(path: Path) -> None:
    meta = (path / checkpoint.META).read_text()
    (path / checkpoint.META).write_text(meta.replace("{", '{"luck": NaN, ', 1))


def _other_weights(path: Path) -> None:
    """With a digest that says they are whole."""
    meta = {name: value for name, value in json.loads((path / checkpoint.META).read_text()).items() if name not in ("format", "sha256")}
    (path / checkpoint.WEIGHTS).write_bytes(b"never safetensors")
    told = {**meta, "format": checkpoint.FORMAT, "sha256": checkpoint._digest(b"never safetensors", meta)}
    (path / checkpoint.META).write_text(json.dumps(told))


def _list_meta(path: Path) -> None:
    (path / checkpoint.META).write_text("[]")


@pytest.mark.parametrize(
    "harm",
    [_drop_weights, _drop_meta, _cut, _flip, _half_meta, _binary_meta, _edit_meta, _other_format, _list_meta, _nan_meta, _other_weights],
    ids=lambda f: f.__name__,
)
def test_a_damaged_artifact_is_refused(harm, fitted: dict[str, Recommender], tmp_path: Path) -> None:
    path = fitted["item_knn"].save(tmp_path / "model")
    harm(path)
    with pytest.raises(ModelError):
        models.load(path)


def test_a_missing_artifact_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model artifact"):
        models.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"model": "oracle"}, "no model 'oracle'"),
        ({"params": {"luck": 1}}, "written by version 9.9, has parameters that this version does not take"),
        ({"model": "recent_popularity", "params": {"half_life": "long"}}, "half_life of 'recent_popularity' must be of the kind float"),
        ({"params": None}, "does not say its params"),
        ({"item_ids": None}, "does not say its item_ids"),
        ({"item_ids": [1, 2]}, "items whose ids are no text"),
        ({"fit_until": None}, "does not say its fit_until"),
    ],
)
def test_an_artifact_of_another_make_is_refused(
    change: dict[str, object], problem: str, fitted: dict[str, Recommender], tmp_path: Path
) -> None:
    arrays, meta = checkpoint.read(fitted["popularity"].save(tmp_path / "model"))
    checkpoint.write(tmp_path / "other", arrays, {**meta, "version": "9.9", **change})
    with pytest.raises(ModelError, match=problem):
        models.load(tmp_path / "other")


def test_an_artifact_without_its_arrays_is_refused(fitted: dict[str, Recommender], tmp_path: Path) -> None:
    _, meta = checkpoint.read(fitted["popularity"].save(tmp_path / "model"))
    with pytest.raises(ModelError, match="prior"):
        models.load(checkpoint.write(tmp_path / "other", {}, meta))
