"""What a torch model minimises."""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn import functional


def sampled_softmax(queries: Tensor, candidates: Tensor, items: Tensor, log_q: Tensor, weights: Tensor, temperature: float) -> Tensor:
    """In-batch sampled softmax with logQ correction; a scalar, the weighted mean over the batch.

    queries, candidates: [b, dim], of length one, row r of both being a pair that met; items int64[b] the candidates' positions;
    log_q float32[b] the log of the chance that a draw is that item; weights float32[b]. Popular items come up as somebody else's
    negative in proportion to q, and subtracting log q undoes that (Yi et al., "Sampling-bias-corrected neural modeling for large
    corpus item recommendations", RecSys 2019, equation 3). A negative that is the very item the user took is masked.
    """
    with torch.autocast(queries.device.type, enabled=False):  # bfloat16 keeps 3 digits, and a temperature multiplies the error
        logits = queries.float() @ candidates.float().T / temperature - log_q
    same = items[:, None] == items[None, :]
    same.fill_diagonal_(False)
    target = torch.arange(len(items), device=items.device)
    each = functional.cross_entropy(logits.masked_fill(same, float("-inf")), target, reduction="none")
    return (each * weights).sum() / weights.sum()


CELLS = 1 << 22
"""Scores that the full softmax holds at once: 16 MB, about what a cache keeps."""


class _FullSoftmax(torch.autograd.Function):
    """The loss and its gradients in one pass over runs of queries, since keeping every score for the way back would take gigabytes."""

    @staticmethod
    def forward(ctx: Any, queries: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        rows = max(1, CELLS // len(vectors))
        scores = queries.new_empty(min(rows, len(queries)), len(vectors))
        by_query, by_vector, total = torch.empty_like(queries), torch.zeros_like(vectors), queries.new_zeros(())
        for first in range(0, len(queries), rows):
            run = slice(first, first + rows)
            query, target, weight = queries[run], targets[run], weights[run, None]
            mass = torch.mm(query, vectors.T, out=scores[: len(query)])
            own, peak = mass.gather(1, target[:, None]), mass.amax(dim=1, keepdim=True)
            sums = mass.sub_(peak).exp_().sum(dim=1, keepdim=True)
            total += (weight * (sums.log() + peak - own)).sum()
            # the gradient by the scores is weight * (mass / sums - 1 at the target), and sums is divided by where it is cheap
            torch.mm(mass, vectors, out=by_query[run]).mul_(weight / sums).sub_(weight * vectors[target])
            by_vector.addmm_(mass.T, query * (weight / sums)).index_add_(0, target, query * weight, alpha=-1)
        ctx.save_for_backward(by_query, by_vector)
        return total

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, Tensor, None, None]:
        by_query, by_vector = ctx.saved_tensors
        return by_query * outer, by_vector * outer, None, None


def full_softmax(queries: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Cross-entropy over all items; a scalar, the weighted mean over p queries.

    queries [p, dim]; vectors [n_items, dim]; targets int64[p], the item each query should score highest; weights float32[p].
    """
    with torch.autocast(queries.device.type, enabled=False):
        loss = _FullSoftmax.apply(queries.float(), vectors.float(), targets, weights)
    return cast(Tensor, loss) / _total(weights)


def softmax_over_negatives(queries: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor, negatives: Tensor, log_q: Tensor) -> Tensor:
    """The full softmax with its sum over the other items estimated from a sample that all queries share.

    negatives int64[m], drawn with replacement; log_q float32[m], the log of the chance of each of them. A drawn item stands for
    1 / (m q) of its kind, which makes the sum unbiased (Bengio and Senécal, "Quick training of probabilistic neural nets by importance
    sampling", 2003); where it is the target itself it stands for none. Otherwise as ``full_softmax``.
    """
    with torch.autocast(queries.device.type, enabled=False):
        own = _own(queries, vectors, targets)[:, None]
        others = queries.float() @ vectors[negatives].float().T - log_q - math.log(len(negatives))
        others = others.masked_fill(negatives == targets[:, None], float("-inf"))
        each = torch.cat([own, others], dim=1).logsumexp(dim=1) - own[:, 0]
        return (each * weights).sum() / _total(weights)


def gbce(queries: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor, negatives: Tensor, calibration: float) -> Tensor:
    """Generalised binary cross-entropy (Petrov and Macdonald, "gSASRec: reducing overconfidence in sequential recommendation trained
    with negative sampling", RecSys 2023).

    The target's probability is raised to a power, which undoes what sampling few negatives does to it: ``calibration`` 0 is plain binary
    cross-entropy, 1 gives probabilities as if every item had been a negative. negatives int64[m], of equal chance, for all queries; one
    that is the target itself does not count. Otherwise as ``full_softmax``.

    A score is relative to the log-odds of an item of which nothing is known. Without that the first steps do nothing but lower all scores,
    with gradients so large that an optimizer of Adam's kind hardly moves for thousands of steps afterwards.
    """
    rate = len(negatives) / max(len(vectors) - 1, 1)
    power = rate * (calibration * (1 - 1 / rate) + 1 / rate)
    unknown = math.log(power / len(negatives))
    with torch.autocast(queries.device.type, enabled=False):
        own, others = _own(queries, vectors, targets) + unknown, queries.float() @ vectors[negatives].float().T + unknown
        false = functional.softplus(others).masked_fill(negatives == targets[:, None], 0).sum(dim=1)
        each = (power * functional.softplus(-own) + false) / (1 + len(negatives))
        return (each * weights).sum() / _total(weights)


def bce(queries: Tensor, vectors: Tensor, targets: Tensor, weights: Tensor, negatives: Tensor, allowed: Tensor) -> Tensor:
    """Binary cross-entropy of the target and one negative a query, the loss of Kang and McAuley ("Self-attentive sequential
    recommendation", ICDM 2018).

    negatives int64[p]; allowed bool[p]: where the negative counts. Otherwise as ``full_softmax``.
    """
    with torch.autocast(queries.device.type, enabled=False):
        other = functional.softplus(_own(queries, vectors, negatives)) * allowed
        return ((functional.softplus(-_own(queries, vectors, targets)) + other) * weights).sum() / _total(weights)


def _own(queries: Tensor, vectors: Tensor, items: Tensor) -> Tensor:
    """float32[p]: the score that each query gives its own one of ``items`` int64[p]."""
    return (queries.float() * functional.embedding(items, vectors).float()).sum(dim=1)


def _total(weights: Tensor) -> Tensor:
    """What a weighted sum is divided by; not 0 where there is nothing to sum."""
    return weights.sum().clamp(min=torch.finfo(torch.float32).tiny)
