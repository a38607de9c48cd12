"""An artifact is a folder: ``weights.safetensors`` and ``meta.json``. Never a pickle, so opening one runs no code."""

from __future__ import annotations

import fcntl
import glob
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from outfitter.errors import ModelError

WEIGHTS, META = "weights.safetensors", "meta.json"
FORMAT = 1


@dataclass(frozen=True)
class Told:
    """What an artifact says of its model; ``whose`` names both, and the version that wrote it."""

    whose: str
    params: dict[str, Any]
    item_ids: tuple[str, ...]
    fit_until: str

    @classmethod
    def of(cls, model: str, meta: dict[str, Any]) -> Told:
        """Raises ModelError when ``meta`` does not say it all."""
        whose = f"the artifact of '{model}', written by version {meta.get('version', 'unknown')},"
        kinds = {"params": dict, "item_ids": list, "fit_until": str}
        for name, kind in kinds.items():
            if not isinstance(meta.get(name), kind):
                raise ModelError(f"{whose} does not say its {name}", "Fit the model again")
        if not all(isinstance(item, str) for item in meta["item_ids"]):
            raise ModelError(f"{whose} has items whose ids are no text", "Fit the model again")
        return cls(whose, meta["params"], tuple(meta["item_ids"]), meta["fit_until"])


def write(path: Path, arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> Path:
    """Write an artifact; the same arrays and meta give the same bytes. Returns ``path``.

    It is written beside ``path`` and moved there when it is whole and on the disk, so a reader never sees half of one. An artifact
    that is already there is replaced. Writers into one folder wait for each other, and what a killed one left is removed. Raises
    ModelError when ``path`` holds something else, or for what JSON or safetensors cannot hold.
    """
    if path.exists() and not (path / META).is_file():
        raise ModelError(f"'{path}' exists and is not a model artifact", "Choose another folder")
    weights, text = _encode(arrays, meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    with _alone_in(path.parent):
        partial = _beside(path)
        partial.mkdir()
        try:
            _write_synced(partial / WEIGHTS, weights)
            _write_synced(partial / META, text.encode())
            _sync_folder(partial)
            _move(partial, path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        for left in path.parent.glob(f".{glob.escape(path.name)}.{'[0-9a-f]' * 32}"):  # only now: it may have been the last whole one
            shutil.rmtree(left)
    return path


def read(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """The arrays and meta of an artifact. Raises ModelError when it is missing, cut short, altered, or of another format."""
    try:
        meta = json.loads((path / META).read_text(encoding="utf-8"))
        weights = (path / WEIGHTS).read_bytes()
    except OSError as error:
        raise ModelError(f"no model artifact can be read at '{path}': {error.strerror}") from error
    except ValueError as error:
        raise ModelError(f"'{path / META}' is not JSON: {error}") from error
    if not isinstance(meta, dict) or meta.pop("format", None) != FORMAT:
        raise ModelError(f"'{path}' is not an artifact of format {FORMAT}")
    told = meta.pop("sha256", None)
    try:
        if told != _digest(weights, meta):
            raise ModelError(f"the artifact at '{path}' is cut short or was altered", "Fit the model again")
        return load_tensors(weights), meta
    except (ValueError, SafetensorError) as error:  # JSON's NaN, which is none; weights that were never safetensors
        raise ModelError(f"the artifact at '{path}' is damaged: {error}", "Fit the model again") from error


def _encode(arrays: dict[str, NDArray[Any]], meta: dict[str, Any]) -> tuple[bytes, str]:
    try:
        # safetensors writes the buffer as it lies, so a transposed view must be laid out first
        weights = save_tensors({name: np.asarray(array, order="C") for name, array in sorted(arrays.items())})
        whole = {**meta, "format": FORMAT, "sha256": _digest(weights, meta)}
        return weights, json.dumps(whole, sort_keys=True, ensure_ascii=False, allow_nan=False)
    except (SafetensorError, TypeError, ValueError, KeyError) as error:
        raise ModelError(f"the model cannot be written: {error}") from error


def _digest(weights: bytes, meta: dict[str, Any]) -> str:
    digest = hashlib.sha256(weights)
    digest.update(json.dumps(meta, sort_keys=True, allow_nan=False).encode())
    return digest.hexdigest()


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Nobody else who asks for it writes in ``folder`` meanwhile; a process that is killed lets go."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    """A hidden name in the same folder that nobody else has."""
    return path.parent / f".{path.name}.{uuid.uuid4().hex}"


def _move(partial: Path, path: Path) -> None:
    if path.exists():
        # a folder cannot be renamed over a full one; between the two renames there is no artifact, never a mixed one
        retired = _beside(path)
        path.rename(retired)
        partial.rename(path)
        shutil.rmtree(retired)
    else:
        partial.rename(path)
    _sync_folder(path.parent)


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
