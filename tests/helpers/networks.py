"""Small networks and texts to train them on."""

import numpy as np
import torch

from sweep.models.gpt.config import Network, Sampling, Training
from sweep.models.gpt.dataset import Documents
from sweep.models.gpt.device import generator
from sweep.models.gpt.model import GPT

SMALL = Network(context=6, embedding=8, layers=2, heads=2, dropout=0.0, bias=True, tied=False)


PAPER = Network(context=128, embedding=256, layers=8, heads=4, dropout=0.2, bias=False, tied=True)


SAMPLING = Sampling(sampler="hop", temperature=1.0, top_k=None, document=20, streams=4)


TRAINING = Training(
    steps=12, epochs=None, batch=5, learning_rate=1e-2, final_learning_rate=1e-3, decay="cosine",
    warmup=3, weight_decay=0.1, beta1=0.9, beta2=0.99, clip=1.0, start="scratch",
    real_share=None, precision="auto", evaluations=4,
)  # fmt: skip


S = 7


def network(shape: Network = SMALL, *, scale: float = 20.0) -> GPT:
    """With large random weights, so that every part of it matters."""
    model = GPT(shape, S, generator(3))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(scale)
            else:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator(4)))
    return model.eval()


def texts(lengths: list[int], seed: int = 0, real: int = 0) -> Documents:
    rng = np.random.default_rng(seed)
    tokens = rng.integers(S, size=sum(lengths)).astype(np.uint8)
    return Documents(tokens=tokens, lengths=np.array(lengths), real=np.arange(len(lengths)) < real)
