"""Exact top-12 retrieval beside other libraries: ``NUMBA_NUM_THREADS=2 python benchmarks/topk.py FOLDER TOYS [ROUNDS]``.

FOLDER is where ``als.py`` left the drawn shop and its factors, TOYS the file ``sequences.txt``; the recipe is in ``README.md``.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import faiss
import numpy as np
from drawn import ITEMS, shop
from implicit.cpu.topk import topk
from scipy import sparse
from threadpoolctl import threadpool_limits

import models
from models.data import Float, Histories, Positions, TrainingData
from models.factorization.als import ImplicitALS
from models.parallel import cores
from models.retrieval.ann import AnnIndex
from models.retrieval.item_vectors import ItemVectors
from models.topk import top_k_factors

THREADS = 2
K, USERS, DIM = 12, 20_000, 64
EFFORTS = {"hnsw": 128, "ivf": 64}
PEER_USERS = 5_000  # a call: with 20,000 queries to 105,542 items implicit 0.7.3 left items out that nobody had seen


@dataclass(frozen=True)
class Case:
    """Queries, vectors, and what each user must not be given."""

    name: str
    queries: Float
    vectors: Float
    seen: Histories

    @cached_property
    def own(self) -> sparse.csr_matrix:
        return self.seen.matrix(len(self.vectors))


@dataclass(frozen=True)
class Method:
    """search() gives the lists, or None where it only multiplies; seconds: what was made ready before, once a catalogue."""

    name: str
    seconds: float
    search: Callable[[], Positions | None]


def toys(path: Path) -> Case:
    sequences = [line.split()[1:] for line in path.read_text().splitlines()]
    ids = sorted({item for sequence in sequences for item in sequence})
    place = {item: position for position, item in enumerate(ids)}
    items = np.array([place[item] for sequence in sequences for item in sequence], dtype=np.int32)
    indptr = np.concatenate([[0], np.cumsum([len(sequence) for sequence in sequences])])
    histories = Histories(indptr, items, np.ones(len(items), np.float32), np.zeros(len(items), np.float32))
    model = ImplicitALS().fit(TrainingData(tuple(ids), histories, datetime(2018, 1, 1, tzinfo=UTC)))
    return Case("toys", model.encode(histories), model.arrays["item_factors"], histories)


def drawn(folder: Path) -> list[Case]:
    """``hm`` and ``equal norm``."""
    seen = shop(folder).histories.rows(0, USERS)
    model = models.load(folder / "als")
    rng = np.random.default_rng(0)
    vectors, queries = (rng.normal(size=(n, DIM)) for n in (ITEMS, USERS))
    level = [(part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32) for part in (queries, vectors)]
    return [Case("hm", model.encode(seen), model.arrays["item_factors"], seen), Case("equal norm", *level, seen)]


def methods(case: Case) -> list[Method]:
    started = time.perf_counter()
    items = ItemVectors.of(case.vectors)
    ready = time.perf_counter() - started
    return [
        Method("ours", ready, lambda: top_k_factors(case.queries, items, K, None, case.seen).items),
        Method("ours, nothing pruned", ready, lambda: top_k_factors(case.queries, items, K, None, case.seen, prune=False).items),
        Method("implicit topk", 0.0, lambda: by_implicit(case)),
        Method("numpy, top 12", 0.0, lambda: by_numpy(case)),
        Method("numpy, product alone", 0.0, lambda: product_alone(case)),
        by_flat(case),
        *(by_index(case, items, kind) for kind in EFFORTS),
    ]


def by_implicit(case: Case) -> Positions:
    with threadpool_limits(1, "blas"):
        parts = [
            topk(case.vectors, case.queries[rows], K, filter_query_items=case.own[rows], num_threads=THREADS)[0]
            for rows in slices(len(case.queries), PEER_USERS)
        ]
    return np.concatenate(parts)


def by_numpy(case: Case) -> Positions:
    """The product of 256 users with all items, the history hidden, the best 12 partitioned off and sorted."""
    lists = []
    with threadpool_limits(THREADS, "blas"):
        for rows in slices(len(case.queries), 256):
            scores = case.queries[rows] @ case.vectors.T
            part = case.seen.rows(rows.start, rows.stop)
            scores[np.repeat(np.arange(len(scores)), np.diff(part.indptr)), part.items] = -np.inf
            best = np.argpartition(-scores, K - 1, axis=1)[:, :K]
            lists.append(np.take_along_axis(best, np.argsort(-np.take_along_axis(scores, best, 1), axis=1), 1))
    return np.concatenate(lists)


def product_alone(case: Case) -> None:
    """Blocks of 1,024 users with 4,096 items, which nobody reads."""
    with threadpool_limits(THREADS, "blas"):
        for rows in slices(len(case.queries), 1024):
            for columns in slices(len(case.vectors), 4096):
                case.queries[rows] @ case.vectors[columns].T


def by_flat(case: Case) -> Method:
    """FAISS's exact index, which knows no histories: as many more are fetched as the longest of 99% of them, then cut."""
    flat = faiss.IndexFlatIP(case.vectors.shape[1])
    flat.add(case.vectors)
    more = int(np.quantile(np.diff(case.seen.indptr), 0.99))

    def search() -> Positions:
        faiss.omp_set_num_threads(THREADS)
        found = flat.search(case.queries, K + more)[1].astype(np.int32)
        keys = np.arange(len(found))[:, None] * len(case.vectors) + found
        hidden = np.isin(keys, np.repeat(np.arange(len(found)), np.diff(case.own.indptr)) * len(case.vectors) + case.own.indices)
        return np.take_along_axis(found, np.argsort(hidden, axis=1, kind="stable")[:, :K], axis=1)

    return Method("FAISS flat", 0.0, search)


def by_index(case: Case, items: ItemVectors, kind: str) -> Method:
    started = time.perf_counter()
    index = AnnIndex.build(items, kind, EFFORTS[kind])  # type: ignore[arg-type]
    built = time.perf_counter() - started
    return Method(f"{kind}, effort {EFFORTS[kind]}", built, lambda: index.search(case.queries, K, None, case.seen).items)


def slices(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def compare(case: Case, rounds: int) -> list[str]:
    """One line a method: each is run once a round, in turn, and the first round is not counted."""
    compared = methods(case)
    exact = compared[0].search()
    assert exact is not None
    taken: dict[str, list[tuple[float, float]]] = {method.name: [] for method in compared}
    share: dict[str, str] = {}
    for _ in range(rounds + 1):
        for method in compared:
            started, computed = time.perf_counter(), time.process_time()
            found = method.search()
            taken[method.name].append((time.perf_counter() - started, time.process_time() - computed))
            share[method.name] = "" if found is None else f"{recall(found, exact):.4f}"
    medians = {name: [statistics.median(part) for part in zip(*times[1:], strict=True)] for name, times in taken.items()}
    peer = medians["implicit topk"]
    return [line(case, one, medians[one.name], peer, share[one.name]) for one in compared]


def line(case: Case, method: Method, taken: list[float], peer: list[float], found: str) -> str:
    """Users a second of the wall clock and microseconds a user of all threads, each beside ``implicit``'s."""
    n_users = len(case.queries)
    wall = f"{n_users / taken[0]:>9,.0f}{peer[0] / taken[0]:>8.1f}"
    cpu = f"{1e6 * taken[1] / n_users:>9.0f}{peer[1] / taken[1]:>8.1f}"
    return f"{case.name:<12}{method.name:<22}{wall}{cpu}{found:>9}{method.seconds:>9.2f}"


def recall(found: Positions, exact: Positions) -> float:
    """The share of the exact lists that was found."""
    return float(np.mean([len(np.intersect1d(one, other)) / K for one, other in zip(found, exact, strict=True)]))


def computed(case: Case) -> float:
    """The share of all products that pruning leaves to be computed."""
    items = ItemVectors.of(case.vectors)
    least = top_k_factors(case.queries, items, K, None, case.seen).scores[:, -1]
    lengths = np.linalg.norm(case.queries.astype(np.float64), axis=1)
    return float(np.searchsorted(-items.lengths, -least / lengths).mean() / len(case.vectors))


def main(folder: Path, sequences: Path, rounds: int) -> None:
    if cores() != THREADS:
        raise SystemExit(f"{cores()} threads: set NUMBA_NUM_THREADS={THREADS}")
    sys.stdout.write(f"{'data':<12}{'method':<22}{'users/s':>9}{'ratio':>8}{'cpu us':>9}{'ratio':>8}{'recall':>9}{'ready s':>9}\n")
    for case in (toys(sequences), *drawn(folder)):
        sys.stdout.write("\n".join(compare(case, rounds)) + "\n")
        sys.stdout.write(f"{case.name:<12}{len(case.vectors):,} items; pruning leaves {computed(case):.1%} of the products\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 5)
