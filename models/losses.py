"""What a torch model minimises."""

from __future__ import annotations

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
