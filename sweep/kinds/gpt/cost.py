"""Estimated cost of a GPT cell: seconds, fitted to measurements on one core, and memory."""

from sweep.cells.cell import Cell
from sweep.models.gpt.config import Network, Recipe

CPU_OPERATIONS = 9e10
"""Floating-point operations per second of one core during training."""
STEP_SECONDS = 0.4e-3
"""Overhead of a training step, per layer plus one, however small the network is."""
WRITE_SECONDS, JUDGE_SECONDS = 6e-6, 12e-6
"""Overhead to write a token, and to write and evaluate one, however small the network is."""


def seconds(cell: Cell, recipe: Recipe) -> float:
    """Estimate the seconds of training, writing and measuring on one core.

    Training takes six operations per parameter and token, and half as much again for
    everything else; a forward pass takes two. In tiny networks the overhead of calls and
    the counting of k-grams dominate.
    """
    network, training, measure = recipe.network, recipe.training, recipe.measure
    M = cell.generations
    forward = 2 * network_size(network, cell.source.s) / CPU_OPERATIONS
    steps = sum(training.length(cell.schedule.total(m), network.context) for m in range(1, M + 1))
    step = STEP_SECONDS * (1 + network.layers) * (training.shards or 1)
    step += 1.5 * 3 * forward * training.batch * network.context
    fit = steps * step + M * forward * training.evaluations * measure.validation
    # The retrained p(1), and p(0), cost one generation each; other cells may have made them.
    more = (measure.retrain + (recipe.truth == "trained") / cell.replicates) / M
    write = (cell.schedule.n or 0) * (WRITE_SECONDS + forward)
    judge = measure.tokens * (JUDGE_SECONDS + 2 * forward)
    return cell.replicates * (fit * (1 + more) + M * (write + judge))


def memory(cell: Cell, recipe: Recipe) -> int:
    """Estimate the bytes of the stored distributions and corpora, without the network."""
    stored = 4 * recipe.measure.contexts * cell.source.s * cell.replicates * cell.generations
    return 4 * stored + 4 * cell.schedule.largest_pool(cell.generations)


def network_size(network: Network, s: int) -> int:
    """Count the parameters of a network with a vocabulary of s tokens."""
    d, bias = network.embedding, int(network.bias)
    block = 12 * d * d + 2 * d + bias * (3 * d + d + 4 * d + d + 2 * d)
    out = 0 if network.tied else s * d
    return s * d + network.context * d + network.layers * block + d * (1 + bias) + out
