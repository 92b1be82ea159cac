"""A decoder-only transformer like nanoGPT's; only the network.

    B    sequences
    T    tokens of each
    C    context: most tokens that a prediction sees
    d    width, h heads of width d / h
    s    vocabulary

Blocks are pre-norm with exact GELU, positions are learned, and initial weights are
those of GPT-2: normal with standard deviation 0.02, divided by sqrt(2 layers) where
they write to the residual stream. The network of table 1 of Seddik et al. 2024
has 6,345,216 parameters without biases and with tied embeddings.

Not covered: rotary positions, grouped heads, padding masks.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from .config import Network


@dataclass(kw_only=True)
class Cache:
    """Keys and values of the tokens seen so far; written in place while text is sampled."""

    keys: Tensor
    """(layers, B, h, C, d / h)"""
    values: Tensor
    """(layers, B, h, C, d / h)"""
    length: int = 0
    """Number of the C places that are filled."""


class Block(nn.Module):
    """Attention and a perceptron, each added to the residual stream."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        d, bias = network.embedding, network.bias
        self.heads, self.dropout = network.heads, network.dropout
        self.attention_norm = nn.LayerNorm(d, bias=bias)
        self.attention = nn.Linear(d, 3 * d, bias=bias)
        self.attention_out = nn.Linear(d, d, bias=bias)
        self.mlp_norm = nn.LayerNorm(d, bias=bias)
        self.mlp = nn.Linear(d, 4 * d, bias=bias)
        self.mlp_out = nn.Linear(4 * d, d, bias=bias)

    def forward(
        self, x: Tensor, cache: Cache | None = None, layer: int = 0, *, last: bool = False
    ) -> Tensor:
        """(B, T, d) -> (B, T, d); with a cache, after the tokens that it holds.

        last: compute the output of the last token only, (B, 1, d), and cache all tokens.
        """
        normed, d = self.attention_norm(x), x.shape[2]
        if last:
            weight, bias = self.attention.weight, self.attention.bias
            start, rest = (None, None) if bias is None else (bias[:d], bias[d:])
            x = x[:, -1:]
            q = functional.linear(normed[:, -1:], weight[:d], start)
            k, v = functional.linear(normed, weight[d:], rest).chunk(2, dim=2)
        else:
            q, k, v = self.attention(normed).chunk(3, dim=2)
        q, k, v = self._heads(q), self._heads(k), self._heads(v)
        if cache is not None:
            past, T = cache.length, k.shape[2]
            cache.keys[layer, :, :, past : past + T] = k
            cache.values[layer, :, :, past : past + T] = v
            k, v = (c[layer, :, :, : past + T] for c in (cache.keys, cache.values))
        dropout = self.dropout if self.training else 0.0
        # Several tokens are the first ones, so causal; a single one sees all before it.
        y = _attend(q, k, v, dropout)
        y = self.attention_out(y.transpose(1, 2).reshape(x.shape))
        x = x + functional.dropout(y, dropout, self.training)
        y = self.mlp_out(functional.gelu(self.mlp(self.mlp_norm(x))))
        return torch.add(x, functional.dropout(y, dropout, self.training))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, h, T, d / h)."""
        B, T, d = x.shape
        return x.view(B, T, self.heads, d // self.heads).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, dropout: float) -> Tensor:
    """(B, h, Q, w), twice (B, h, T, w) -> (B, h, Q, w); causal if Q > 1, else over all T."""
    if q.shape[2] == 1 and q.device.type == "cpu":
        # The fused kernel is slow for one query on a CPU.
        scores = (k @ q.transpose(2, 3)) * q.shape[3] ** -0.5
        return torch.matmul(scores.softmax(dim=2).transpose(2, 3), v)
    return functional.scaled_dot_product_attention(
        q, k, v, dropout_p=dropout, is_causal=q.shape[2] > 1
    )


class GPT(nn.Module):
    """The network, with initial weights from a generator."""

    def __init__(self, network: Network, s: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.network, self.s = network, s
        d = network.embedding
        self.tokens = nn.Embedding(s, d)
        self.positions = nn.Embedding(network.context, d)
        self.blocks = nn.ModuleList(Block(network) for _ in range(network.layers))
        self.norm = nn.LayerNorm(d, bias=network.bias)
        self.out = nn.Linear(d, s, bias=False)
        if network.tied:
            self.out.weight = self.tokens.weight
        self._initialise(generator)

    def _initialise(self, generator: torch.Generator | None) -> None:
        residual = 0.02 / math.sqrt(2 * self.network.layers)
        for name, parameter in self.named_parameters():
            if name.endswith("bias"):
                nn.init.zeros_(parameter)
            elif parameter.dim() > 1:
                std = residual if "_out." in name else 0.02
                nn.init.normal_(parameter, std=std, generator=generator)

    def forward(self, tokens: Tensor, cache: Cache | None = None) -> Tensor:
        """(B, T) token numbers -> (B, T, s) logits, with a cache (B, 1, s); T at most the context.

        The first call fills an empty cache, and each later one extends it by one token.
        """
        x = self._embed(tokens, 0 if cache is None else cache.length)
        for layer, block in enumerate(self.blocks):
            # With a cache only the next token is predicted.
            last = cache is not None and layer == self.network.layers - 1
            x = block(x, cache, layer, last=last)
        if cache is not None:
            cache.length += tokens.shape[1]
        logits: Tensor = self.out(self.norm(x))
        return logits

    def _embed(self, tokens: Tensor, past: int) -> Tensor:
        positions = self.positions.weight[past : past + tokens.shape[1]]
        x: Tensor = self.tokens(tokens) + positions
        return functional.dropout(x, self.network.dropout, self.training)

    def cache(self, sequences: int, dtype: torch.dtype = torch.float32) -> Cache:
        """An empty cache."""
        network = self.network
        weight = self.tokens.weight
        shape = (
            network.layers, sequences, network.heads,
            network.context, network.embedding // network.heads,
        )  # fmt: skip
        return Cache(
            keys=weight.new_empty(shape, dtype=dtype), values=weight.new_empty(shape, dtype=dtype)
        )

    def size(self) -> int:
        """The number of parameters, shared ones counted once."""
        return sum(p.numel() for p in self.parameters())
