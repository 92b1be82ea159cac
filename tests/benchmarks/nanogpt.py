"""The peer of the GPT benchmark: nanoGPT's recipe as a plain PyTorch loop, written for it.

Its network (fused attention), its batch function (windows stacked one by one),
its optimiser groups and clipping, and its `generate`: batch 1, no cache, the
whole window read anew for every token.
"""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sweep.models.gpt.config import Network


class Block(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        d = network.embedding
        self.ln_1, self.ln_2 = nn.LayerNorm(d, bias=False), nn.LayerNorm(d, bias=False)
        self.c_attn, self.c_proj = nn.Linear(d, 3 * d, bias=False), nn.Linear(d, d, bias=False)
        self.c_fc, self.mlp = nn.Linear(d, 4 * d, bias=False), nn.Linear(4 * d, d, bias=False)
        self.gelu = nn.GELU()
        self.attn_dropout, self.mlp_dropout = (nn.Dropout(network.dropout) for _ in range(2))
        self.heads, self.dropout = network.heads, network.dropout

    def forward(self, x: Tensor) -> Tensor:
        B, T, d = x.size()
        q, k, v = self.c_attn(self.ln_1(x)).split(d, dim=2)
        q, k, v = (u.view(B, T, self.heads, d // self.heads).transpose(1, 2) for u in (q, k, v))
        y = functional.scaled_dot_product_attention(
            q, k, v, attn_mask=None, dropout_p=self.dropout if self.training else 0, is_causal=True
        )
        y = y.transpose(1, 2).contiguous().view(B, T, d)
        x = x + self.attn_dropout(self.c_proj(y))
        y = self.mlp_dropout(self.mlp(self.gelu(self.c_fc(self.ln_2(x)))))
        return torch.add(x, y)


class Peer(nn.Module):
    def __init__(self, network: Network, s: int) -> None:
        super().__init__()
        d = network.embedding
        self.context = network.context
        self.wte, self.wpe = nn.Embedding(s, d), nn.Embedding(network.context, d)
        self.drop = nn.Dropout(network.dropout)
        self.h = nn.ModuleList(Block(network) for _ in range(network.layers))
        self.ln_f, self.lm_head = nn.LayerNorm(d, bias=False), nn.Linear(d, s, bias=False)
        self.wte.weight = self.lm_head.weight
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.normal_(parameter, std=0.02)

    def forward(self, idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        x = self.drop(self.wte(idx) + self.wpe(torch.arange(idx.size(1), device=idx.device)))
        for block in self.h:
            x = block(x)
        x = self.ln_f(x)
        logits: Tensor = self.lm_head(x if targets is not None else x[:, [-1], :])
        if targets is None:
            return logits, None
        return logits, functional.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def optimizer(self, device: str) -> torch.optim.AdamW:
        groups = [
            {"params": [p for p in self.parameters() if p.dim() >= 2], "weight_decay": 0.1},
            {"params": [p for p in self.parameters() if p.dim() < 2], "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.99), fused=device == "cuda")

    @torch.no_grad()
    def generate(self, idx: Tensor, tokens: int) -> Tensor:
        for _ in range(tokens):
            window = idx if idx.size(1) <= self.context else idx[:, -self.context :]
            logits, _ = self(window)
            probs = functional.softmax(logits[:, -1, :], dim=-1)
            idx = torch.cat((idx, torch.multinomial(probs, num_samples=1)), dim=1)
        return idx


def get_batch(data: np.ndarray, batch: int, context: int, device: str) -> tuple[Tensor, Tensor]:
    ix = torch.randint(len(data) - context, (batch,))
    x = torch.stack([torch.from_numpy(data[i : i + context].astype(np.int64)) for i in ix])
    y = torch.stack([torch.from_numpy(data[i + 1 : i + 1 + context].astype(np.int64)) for i in ix])
    if device == "cuda":
        return x.pin_memory().to(device, non_blocking=True), y.pin_memory().to(
            device, non_blocking=True
        )
    return x, y
