"""What expanding a grid needs to know of a GPT."""

from dataclasses import replace

from models import corpus
from models.gpt.config import Recipe
from models.schedules import Schedule
from sweep.config.notice import Notice
from sweep.config.schema import Settings
from sweep.config.validate import ConfigError


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


def unused_by_model(settings: Settings) -> list[Notice]:
    """Notices of what was given and the model does not use."""
    grid = settings.grid
    if settings.gpt is None:
        key, given, why = "grid.temperature", grid.temperature, "used by model=gpt alone"
    else:
        key, given, why = "grid.S0", grid.S0, "not used by model=gpt, whose text has its own"
    return [Notice(key, f"{key} is {why}: dropped")] if given else []
