"""How much of a sweep is done, and how long the rest takes; every answer costs O(cells at work).

A cell is weighted by its cost, as estimated in `sweep.grid.cost`. Only ratios of the estimates
matter: the speed is that of this run, work done over the time of the busy workers. No clock is
read here.
"""

from collections.abc import Collection, Iterable, Mapping

from sweep.cells.outcome import Stage

TRUSTED_SECONDS = 1.0
"""Seconds of work for which the estimates are trusted, before the speed of the run is measured."""
NOTHING = Stage(share=0.0, cached=0.0, what="")


class TimeLeft:
    """Estimates the time left from reports about the cells of a sweep.

    costs: cell id -> estimated seconds on one core. before: ids of cells that were finished
    already.
    """

    def __init__(self, costs: Mapping[str, float], before: Collection[str] = ()) -> None:
        self.slots = 1
        """How many cells can be at work at once."""
        self._costs = costs
        self._ended = set(before)
        self._at: dict[str, Stage] = {}
        self._total = sum(costs.values())
        self._rest = sum(cost for cell, cost in costs.items() if cell not in self._ended)
        self._made = self._cells = self._busy = 0.0
        self._began: float | None = None
        self._last = 0.0
        self._waiting = sorted(costs, key=lambda cell: costs[cell])  # the most expensive comes last

    def update(
        self, now: float, ended: Iterable[str] = (), at: Mapping[str, Stage] | None = None
    ) -> None:
        """Record the cells that ended by `now`, in seconds, and the stages of those at work."""
        first = self._began is None
        if self._began is None:
            self._began = now
        else:
            at_work = min(self.slots, len(self._costs) - len(self._ended))
            self._busy += (now - self._last) * at_work
        self._last = now
        for cell in set(ended) - self._ended:
            self._move(cell, Stage(1.0, self._at.get(cell, NOTHING).cached, ""))
            del self._at[cell]
            self._ended.add(cell)
        for cell, stage in (at or {}).items():
            if cell not in self._ended:
                self._move(cell, stage)
        if first:  # work before the first report took an unknown time
            self._made = self._cells = 0.0

    def _move(self, cell: str, stage: Stage) -> None:
        old, cost = self._at.get(cell, NOTHING), self._costs[cell]
        made = (stage.share - stage.cached) - (old.share - old.cached)
        self._made += cost * made
        self._cells += made
        self._rest -= cost * (stage.share - old.share)
        self._at[cell] = stage

    def share(self) -> float:
        """Return the share of the work of the sweep that is done, in [0, 1]."""
        done = 1 - self._rest / self._total if self._total > 0 else 1.0
        return min(max(done, 0.0), 1.0)

    def left(self) -> float | None:
        """Estimate the seconds until all cells have ended; None before the first report.

        Workers share the work that is left, except that the longest cell has only one worker.
        """
        if self._began is None:
            return None
        while self._waiting and (self._waiting[-1] in self._ended or self._waiting[-1] in self._at):
            self._waiting.pop()
        longest = [self._costs[cell] * (1 - stage.share) for cell, stage in self._at.items()]
        longest += [self._costs[cell] for cell in self._waiting[-1:]]
        speed = (self._made + TRUSTED_SECONDS) / (self._busy + TRUSTED_SECONDS)
        return max(self._rest / self.slots, max(longest, default=0.0), 0.0) / speed

    def rate(self) -> float | None:
        """Return cells per second since the first report, parts included; None before it."""
        if self._began is None or self._last <= self._began or self._cells <= 0:
            return None
        return self._cells / (self._last - self._began)
