"""Real text: the embedded one, and text as numbers.

A small grammar writes the embedded text from a fixed seed, so that everything
runs without a download.
"""

import hashlib
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

LARGEST_ALPHABET = 256
"""Most different characters of a text: tokens are bytes."""
SHORTEST = 1000
"""Fewest characters of a text."""

Tokens = NDArray[np.uint8]

_GRAMMAR: dict[str, Sequence[str]] = {
    "text": (
        "The ADJ ANIMAL VERB the ADJ ANIMAL PLACE.",
        "A ANIMAL VERB PLACE, and the ANIMAL VERB it.",
        "When the WEATHER came, the ANIMAL VERB the THING.",
        '"Who VERB my THING?" said the ADJ ANIMAL.',
        "No ANIMAL VERB a ADJ THING PLACE.",
        "TIME the ANIMAL and the ANIMAL VERB a THING.",
    ),
    "ADJ": ("old", "grey", "quick", "sleepy", "brave", "hungry", "small", "proud"),
    "ANIMAL": ("fox", "owl", "badger", "hare", "crow", "mouse", "wolf", "heron", "toad"),
    "VERB": ("saw", "found", "followed", "feared", "kept", "forgot", "wanted", "carried"),
    "PLACE": ("by the river", "under the hill", "in the wood", "near the mill", "at the gate"),
    "WEATHER": ("rain", "snow", "frost", "evening", "storm"),
    "THING": ("key", "lantern", "apple", "ring", "feather", "stone", "bell"),
    "TIME": ("At night", "In spring", "Each day", "Once"),
}
_SENTENCES = 600


def embedded() -> str:
    """About 25,000 characters of simple English, always the same."""
    rng = np.random.Generator(np.random.Philox(key=7))
    lines = []
    for _ in range(_SENTENCES):
        words = []
        for word in _pick(rng, "text").split(" "):
            core = word.strip(',.?"')
            words.append(word.replace(core, _pick(rng, core)) if core in _GRAMMAR else word)
        lines.append(" ".join(words))
    return "\n".join(lines) + "\n"


def alphabet(text: str) -> str:
    """The different characters of a text, sorted; token i is the i-th of them.

    Raises ValueError if there are fewer than 2 or more than `LARGEST_ALPHABET`, or the
    text is shorter than `SHORTEST`.
    """
    letters = "".join(sorted(set(text)))
    if len(text) < SHORTEST:
        raise ValueError(f"got a text of {len(text)} characters; allowed: from {SHORTEST}")
    if not 2 <= len(letters) <= LARGEST_ALPHABET:
        raise ValueError(
            f"got a text of {len(letters)} different characters; allowed: 2 to {LARGEST_ALPHABET}"
        )
    return letters


def encode(text: str, letters: str) -> Tokens:
    """(len(text),) positions of its characters in `letters`."""
    number = {letter: k for k, letter in enumerate(letters)}
    return np.fromiter((number[c] for c in text), np.uint8, len(text))


def decode(tokens: Tokens, letters: str) -> str:
    """The inverse of `encode`."""
    return "".join(letters[int(k)] for k in tokens)


def counts(tokens: Tokens) -> tuple[int, ...]:
    """How often each token occurs, falling: the text as an initial distribution."""
    occurrences = np.bincount(tokens)
    return tuple(int(c) for c in np.sort(occurrences[occurrences > 0])[::-1])


@cache
def counts_of(text: str) -> tuple[int, ...]:
    """The `counts` of a text, cached."""
    return counts(encode(text, alphabet(text)))


@cache
def digest(text: str) -> str:
    """The SHA-256 of the text in UTF-8, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def _pick(rng: np.random.Generator, symbol: str) -> str:
    options = _GRAMMAR[symbol]
    return options[int(rng.integers(len(options)))]
