"""User-based neighbours: what those with the same taste made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from models.base import USER_BLOCK, Recommender, require
from models.data import Float, Histories, Positions, TrainingData
from models.factorization.rating_steps import Ratings
from models.factorization.ratings import check_pairs
from models.held import Held, Layout
from models.kernels import compiled
from models.parallel import in_slices
from outfitter.errors import NotEnoughData

BLOCK = 64  # users a task
ROUNDING = 1e-6  # of a number: what float32 may leave of its difference to an equal one
TIE = np.float32(1e-6)  # of a vote: recent popularity decides where the neighbours do not
SIMILARITIES = ("pearson", "pearson_own_means", "cosine")


@dataclass
class UserKNN(Recommender):
    """The ``neighbours`` most similar users vote; what counts is the stars of the ratings, or event weights where nothing is rated.

    similarity: ``pearson`` is the correlation over the items that both users rated, each user's mean taken over those items (Resnick
    et al., "GroupLens", 1994); ``pearson_own_means`` takes the mean over all that the user rated (Aggarwal, "Recommender systems",
    2016, section 2.3); ``cosine`` suits events that all weigh the same, which have no correlation. All are damped by n / (n + shrink)
    for n common items. Only users of positive similarity vote: s (r - mean) each, with cosine s r. The sum is not divided by sum |s|,
    which ranks better (Cremonesi et al., "Performance of recommender algorithms on top-N recommendation tasks", 2010); ``predict``
    divides, as the stars ask for. Between equal votes recent popularity decides. Raises NotEnoughData where there is no correlation,
    all opinions being equal.
    """

    name: ClassVar[str] = "user_knn"
    layout: ClassVar[Layout] = {
        "indptr": Held(("users+1",), starts_of="opinions"),
        "items": Held(("opinions",), places_in="items"),
        "values": Held(("opinions",)),
        "rated": Held(()),
    }

    neighbours: int = 100
    shrink: float = 5.0
    similarity: Literal["pearson", "pearson_own_means", "cosine"] = "pearson"

    def __post_init__(self) -> None:
        require(self.neighbours > 0, f"neighbours must be positive, not {self.neighbours}")
        require(self.shrink >= 0, f"shrink must not be negative, as {self.shrink} is")
        require(self.similarity in SIMILARITIES, f"similarity must be one of {', '.join(SIMILARITIES)}, not '{self.similarity}'")

    def _fit(self, data: TrainingData) -> None:
        rated = data.histories.values is not None and bool(np.isfinite(data.histories.values).any())
        given = opinions(data.histories, data.n_items, rated)
        if self.similarity != "cosine" and not np.ptp(given.data):
            raise NotEnoughData(f"'{self.name}' cannot correlate opinions that are all equal", "Set similarity to 'cosine'.")
        self.arrays = {"indptr": given.indptr, "items": given.indices, "values": given.data, "rated": np.array(rated)}

    def encode(self, histories: Histories) -> sparse.csc_matrix:
        """float32[n_users, n_items], sparse: the neighbours' votes."""
        given = self._given()
        votes = given if self.similarity == "cosine" else centred(given)
        return (self._nearest(histories) @ votes).tocsc()

    def score(self, query: sparse.csc_matrix, items: slice) -> Float:
        """float32[n_users, len(items)]: the votes."""
        popular = self.prior[items] / (self.prior.max() + np.float32(1))
        return np.asarray(query[:, items].toarray() + TIE * popular, dtype=np.float32)

    @property
    def foretells_stars(self) -> bool:
        return bool(self.arrays["rated"])

    def predict(self, histories: Histories, users: NDArray[np.integer], items: NDArray[np.integer]) -> Float:
        """float32[m]: what row ``users[r]`` of ``histories`` would make of ``items[r]``: mean_u + sum s (r - mean_v) / sum |s|.

        It is the user's mean where no neighbour knows the item, or at a position of -1, and the mean of all ratings for a user without
        any; within the range that was met in training. Raises ModelError when the two differ in length, or for a row or position that
        does not exist.
        """
        check_pairs(users, items, histories.n_users, len(self.item_ids))
        given = self._given()
        known = sparse.csr_matrix((np.ones_like(given.data), given.indices, given.indptr), shape=given.shape)
        stars = means(opinions(histories, len(self.item_ids), bool(self.arrays["rated"])), float(given.data.mean()))[users]
        votes, in_order = centred(given), np.argsort(users, kind="stable")
        for start in range(0, histories.n_users, USER_BLOCK):
            block = slice(start, min(start + USER_BLOCK, histories.n_users))
            asked = in_order[slice(*np.searchsorted(users[in_order], (block.start, block.stop)))]
            asked = asked[items[asked] >= 0]
            if len(asked):
                near, pairs = self._nearest(histories.rows(block.start, block.stop)), (users[asked] - start, items[asked])
                said, met = ((near @ matrix)[pairs].A1 for matrix in (votes, known))
                stars[asked] += np.divide(said, met, out=np.zeros_like(said), where=met > 0)
        return np.asarray(np.clip(stars, given.data.min(), given.data.max()), dtype=np.float32)

    def _given(self) -> sparse.csr_matrix:
        shape = (len(self.arrays["indptr"]) - 1, len(self.item_ids))
        return sparse.csr_matrix((self.arrays["values"], self.arrays["items"], self.arrays["indptr"]), shape=shape)

    def _nearest(self, histories: Histories) -> sparse.csr_matrix:
        """float32[n_users, fitted users], sparse: the similarities of each user's neighbours."""
        asked, given = opinions(histories, len(self.item_ids), bool(self.arrays["rated"])), self._given()
        if self.similarity == "cosine":
            asked, given = unit(asked), unit(given)
        elif self.similarity == "pearson_own_means":
            asked, given = centred(asked), centred(given)
        near = np.zeros((asked.shape[0], min(self.neighbours, given.shape[0])), dtype=np.int32)
        similarities = np.zeros(near.shape, dtype=np.float32)
        by_item = given.tocsc()

        rule = SIMILARITIES.index(self.similarity), self.shrink, given.shape[0]

        def fill(rows: slice) -> None:
            by_user = asked[rows]
            like_minded(*_arrays(by_user), *_arrays(by_item), *rule, near[rows], similarities[rows])

        in_slices(fill, asked.shape[0], BLOCK)
        starts = np.arange(asked.shape[0] + 1) * near.shape[1]
        return sparse.csr_matrix((similarities.ravel(), near.ravel(), starts), shape=(asked.shape[0], given.shape[0]))


def opinions(histories: Histories, n_items: int, rated: bool) -> sparse.csr_matrix:
    """float32[n_users, n_items], sparse: each user's latest stars for an item or, unless ``rated``, the summed event weights."""
    if not rated:
        return histories.matrix(n_items)
    ratings = Ratings.of(histories)
    latest_first = np.arange(len(ratings.values))[::-1]
    _, chosen = np.unique((ratings.rows * n_items + ratings.columns)[latest_first], return_index=True)
    kept = latest_first[chosen]
    indptr = np.searchsorted(ratings.rows[kept], np.arange(histories.n_users + 1))
    shape = (histories.n_users, n_items)
    return sparse.csr_matrix((ratings.values[kept].astype(np.float32), ratings.columns[kept], indptr), shape=shape)


def _arrays(matrix: sparse.spmatrix) -> tuple[Positions, Positions, Float]:
    return matrix.indptr, matrix.indices, matrix.data


def means(given: sparse.csr_matrix, otherwise: float) -> Float:
    """float32[n]: the mean of what each row holds, ``otherwise`` where it holds nothing."""
    counts = np.diff(given.indptr)
    total = np.asarray(given.sum(axis=1), dtype=np.float64).ravel()
    return np.where(counts > 0, total / np.maximum(counts, 1), otherwise).astype(np.float32)


def centred(given: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each row's entries less their mean; what rounding leaves of equal entries is taken for the 0 that it stands for."""
    less = given.data - np.repeat(means(given, 0.0), np.diff(given.indptr))
    less[np.abs(less) < ROUNDING * np.abs(given.data)] = 0
    return sparse.csr_matrix((less, given.indices, given.indptr), shape=given.shape)


def unit(given: sparse.csr_matrix) -> sparse.csr_matrix:
    """Each row divided by its length."""
    lengths = np.sqrt(given.multiply(given).sum(axis=1)).A1
    scaled = given.data / np.repeat(np.where(lengths > 0, lengths, 1), np.diff(given.indptr))
    return sparse.csr_matrix((scaled.astype(np.float32), given.indices, given.indptr), shape=given.shape)


@compiled
def damped(sums: NDArray[np.float64], similarity: int, shrink: float) -> float:
    """The similarity that two users' sums over the items in common amount to; 0 where it is not defined."""
    n, x, y, xx, yy, xy = sums
    weight = n / (n + shrink)
    if similarity == 2:
        return float(weight * xy)
    if similarity == 0:
        xx, yy, xy = xx - x * x / n, yy - y * y / n, xy - x * y / n
    if xx <= ROUNDING**2 * sums[3] or yy <= ROUNDING**2 * sums[4]:
        return 0.0
    return float(weight * xy / np.sqrt(xx * yy))


@compiled
def like_minded(
    indptr: Positions,
    items: Positions,
    values: Float,
    item_indptr: Positions,
    raters: Positions,
    ratings: Float,
    similarity: int,
    shrink: float,
    n_known: int,
    near: Positions,
    similarities: Float,
) -> None:
    """Fill in the most similar of ``n_known`` users, best first, of the users in CSR rows; what is left stays user 0 with 0.

    item_indptr, raters, ratings: who of the known rated an item (CSC). similarity: a place in ``SIMILARITIES``.
    """
    sums = np.zeros((n_known, 6))  # of the items in common with each: how many, and the sums of x, y, xx, yy and xy
    touched = np.empty(n_known, np.int32)
    for user in range(len(indptr) - 1):
        met = 0
        for entry in range(indptr[user], indptr[user + 1]):
            own = np.float64(values[entry])
            for rating in range(item_indptr[items[entry]], item_indptr[items[entry] + 1]):
                common, its = sums[raters[rating]], np.float64(ratings[rating])
                if common[0] == 0:
                    touched[met] = raters[rating]
                    met += 1
                common[0] += 1
                common[1] += own
                common[2] += its
                common[3] += own * own
                common[4] += its * its
                common[5] += own * its
        found = np.array([damped(sums[other], similarity, shrink) for other in touched[:met]])
        best = np.argsort(-found, kind="mergesort")[: near.shape[1]]
        for place in range(len(best)):
            if found[best[place]] > 0:
                near[user, place] = touched[best[place]]
                similarities[user, place] = found[best[place]]
        for other in touched[:met]:
            sums[other] = 0
