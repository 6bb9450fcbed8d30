"""Tokens that the making never saw: each gets a vector of its own, so that an adapter can tell them
apart.

Weight decay and the shared pull of the softmax leave all of them on nearly one vector. Embeddings
are tied and frozen in LoRA, so a label such as "ham" (its "ha" never occurs in the pocket's world)
could otherwise not be learned at all.
"""

import torch
from torch.nn.functional import normalize
from transformers import LlamaForCausalLM

ALIKE = 0.99  # cosine from which two vectors count as one
# Length of what is added, as a share of the vector's own: enough to differ, too little to be said.
APART = 0.6


def spread(model: LlamaForCausalLM, seed: int = 0) -> int:
    """Move the vectors that are nearly one apart, in place; how many there were. Does nothing a
    second time.
    """
    vectors = model.get_input_embeddings().weight.data
    known = normalize(vectors.float(), dim=1)
    alike = (known @ known.T > ALIKE).sum(dim=1) > 1
    noise = normalize(
        torch.randn(vectors.shape, generator=torch.Generator().manual_seed(seed)), dim=1
    )
    vectors[alike] += (noise * vectors.float().norm(dim=1, keepdim=True) * APART)[alike].to(
        vectors.dtype
    )
    return int(alike.sum())
