"""The products of exact retrieval on a GPU; what they leave open is settled on the CPU, so the result is the same."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.kernels import LEAST
from models.retrieval.question import Retrieval

if TYPE_CHECKING:
    import torch

SPARE = 20  # candidates beyond k: those within a rounding error of the k-th best are hardly ever more
CELLS = 1 << 28  # products alive at once: 1 GB


@cache
def gpu() -> torch.device | None:
    """The GPU, or None. torch takes seconds to import, so it is only asked where NVIDIA's driver has made its device file."""
    if not Path("/dev/nvidiactl").exists():
        return None
    import torch

    return torch.device("cuda") if torch.cuda.is_available() else None


def offer_products(device: torch.device, asked: Retrieval) -> NDArray[np.int64]:
    """Offer each user the best by float32 products; returns the users for whom an item that was not offered could be one of the best."""
    import torch

    items = asked.items
    n_users, n_items, k = len(asked.queries), len(items.order), asked.found.shape[1]
    vectors, places = torch.from_numpy(items.vectors).to(device), items.places()[asked.hidden]
    least = np.full(n_users, -np.inf, dtype=np.float32)
    size = max(1, CELLS // max(n_items, 1))
    with full_precision(), torch.no_grad():
        for users in (slice(start, min(start + size, n_users)) for start in range(0, n_users, size)):
            products = torch.from_numpy(asked.queries[users]).to(device) @ vectors.T
            rows, columns = _cells(asked.indptr[users.start : users.stop + 1], places)
            products[torch.from_numpy(rows).to(device), torch.from_numpy(columns).to(device)] = -torch.inf
            values, chosen = torch.topk(products, min(k + SPARE, n_items))
            asked.offer(users, chosen.cpu().numpy())
            if k + SPARE < n_items:
                least[users] = values[:, -1].cpu().numpy()
    error = items.slack * asked.lengths * items.lengths.max(initial=0) + LEAST
    return np.flatnonzero((least > -np.inf) & (least + error >= asked.scores[:, -1]))


def _cells(indptr: NDArray[np.int64], places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of each hidden item, those that are not among the vectors left out."""
    rows = np.repeat(np.arange(len(indptr) - 1), np.diff(indptr))
    columns = places[indptr[0] : indptr[-1]]
    return rows[columns >= 0], columns[columns >= 0]


@contextmanager
def full_precision() -> Iterator[None]:
    """float32 products as such: where training has allowed TF32, an error would be a thousand times what retrieval allows for."""
    import torch

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(before)
