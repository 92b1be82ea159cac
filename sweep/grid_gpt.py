"""What the grid needs to know of a GPT: its recipe, as params and back, and what fits together."""

from collections.abc import Mapping
from dataclasses import fields, replace
from types import NoneType
from typing import Any, get_args, get_type_hints

from models import corpus
from models.recipe import Measure, Network, Recipe, Sampling, Training
from models.schedules import Schedule
from sweep.checks import ConfigError
from sweep.config import Settings

SECTIONS: dict[str, type] = {
    "network": Network, "training": Training, "sampling": Sampling, "measure": Measure,
}  # fmt: skip
OWN = {"corpus": "corpus", "digest": "corpus.digest", "truth": "corpus.truth"}
OWN |= {"order": "corpus.order"}
"""Field of a recipe -> name of its param."""


def needs_text(settings: Settings) -> bool:
    """Whether the sweep reads the corpus."""
    return settings.gpt is not None or settings.source.family == "text"


def recipe(settings: Settings, text: str | None, temperature: float | None) -> Recipe | None:
    """What a GPT cell is made of; None for the statistical model."""
    gpt, source = settings.gpt, settings.corpus
    if gpt is None or text is None:
        return None
    return Recipe(
        corpus=source.name,
        digest=corpus.digest(text),
        truth=source.truth,
        order=source.order if source.truth == "markov" else None,
        network=gpt.network,
        training=gpt.training,
        sampling=replace(gpt.sampling, temperature=float(temperature or 1.0)),
        measure=gpt.measure,
    )


def recipe_params(made: Recipe) -> dict[str, Any]:
    """As params of a run: `training.steps` and so on; the temperature, an axis, by its own name."""
    found: dict[str, Any] = {param: getattr(made, name) for name, param in OWN.items()}
    for section in SECTIONS:
        part = getattr(made, section)
        found |= {f"{section}.{f.name}": getattr(part, f.name) for f in fields(part)}
    found["temperature"] = found.pop("sampling.temperature")
    return found


def recipe_from_params(params: Mapping[str, str]) -> Recipe:
    """What `recipe_params` describes."""
    parts: dict[str, Any] = {}
    for section, kind in SECTIONS.items():
        hints = get_type_hints(kind)
        names = {f.name: f"{section}.{f.name}" for f in fields(kind)}
        if section == "sampling":
            names["temperature"] = "temperature"
        parts[section] = kind(
            **{name: _read(params.get(param), hints[name]) for name, param in names.items()}
        )
    hints = get_type_hints(Recipe)
    parts |= {name: _read(params.get(param), hints[name]) for name, param in OWN.items()}
    return Recipe(**parts)


def _read(text: str | None, hint: Any) -> Any:
    """A value of the hinted type, or None, from how it prints."""
    if text is None:
        return None
    options = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    return text == "True" if options[0] is bool else options[0](text)


def check_tokens(schedule: Schedule, context: int) -> None:
    """Refuse samples that are too short to train on: no window of context + 1 tokens."""
    if schedule.rule.draws is None:
        least = [(schedule.n or 0, "n")]
    else:
        least = [
            (k, "N" if t == 0 and schedule.N is not None else "n")
            for m in (1, 2)
            for t, k in schedule.draws(m).items()
        ]
    if schedule.rule.subsample:
        least.append((schedule.n or 0, "n"))
    tokens, axis = min(least)
    if tokens <= context:
        got = getattr(schedule, axis)
        of = "" if got == tokens else f", of which {tokens} tokens of one model,"
        raise ConfigError(
            f"grid.{axis}: got {got}{of} with model.network.context={context}; allowed: from "
            f"{context + 1} of each model, since n and N count tokens"
        )


def network_size(network: Network, s: int) -> int:
    """Number of parameters."""
    d, bias = network.embedding, int(network.bias)
    block = 12 * d * d + 2 * d + bias * (3 * d + d + 4 * d + d + 2 * d)
    out = 0 if network.tied else s * d
    return s * d + network.context * d + network.layers * block + d * (1 + bias) + out


def unused_by_model(settings: Settings) -> list[str]:
    """Notices of what was given and the model does not use."""
    grid = settings.grid
    if settings.gpt is None:
        return ["grid.temperature is used by model=gpt alone: dropped"] * bool(grid.temperature)
    found = ["grid.S0 is not used by model=gpt, whose text has its own: dropped"] * bool(grid.S0)
    return found
