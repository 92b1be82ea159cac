"""Conversion of the recipe of a GPT to params of a run, and back."""

from collections.abc import Mapping
from dataclasses import fields
from types import NoneType
from typing import Any, get_args, get_type_hints

from sweep.models.gpt.config import Measure, Network, Recipe, Sampling, Training

SECTIONS: dict[str, type] = {
    "network": Network, "training": Training, "sampling": Sampling, "measure": Measure,
}  # fmt: skip
CORPUS_PARAMS = {
    "corpus": "corpus", "digest": "corpus.digest", "truth": "corpus.truth", "order": "corpus.order",
}  # fmt: skip
"""Field of a recipe -> name of its param."""


def recipe_params(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as params: `training.steps` and so on, and the axis `temperature`."""
    params: dict[str, Any] = {param: getattr(recipe, name) for name, param in CORPUS_PARAMS.items()}
    for section in SECTIONS:
        part = getattr(recipe, section)
        params |= {f"{section}.{f.name}": getattr(part, f.name) for f in fields(part)}
    params["temperature"] = params.pop("sampling.temperature")
    return params


def recipe_from_params(params: Mapping[str, str]) -> Recipe:
    """Rebuild the recipe from the result of `recipe_params`.

    Raises ValueError for a param that does not have the type of its field.
    """
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
    parts |= {name: _read(params.get(param), hints[name]) for name, param in CORPUS_PARAMS.items()}
    return Recipe(**parts)


def _read(text: str | None, hint: Any) -> Any:
    """Parse the printed form of a value of the hinted type; None if there is no text."""
    if text is None:
        return None
    options = [kind for kind in get_args(hint) or (hint,) if kind is not NoneType]
    return text == "True" if options[0] is bool else options[0](text)
