"""What a GPT cell costs: seconds, measured on one core, and memory."""

from models.gpt.config import Network, Recipe
from sweep.cells.cell import Cell

CPU_OPERATIONS = 9e10
"""Operations that one core does in a second while it trains."""
STEP_SECONDS = 0.4e-3
"""Of a training step for each layer, and once more, however small they are."""
WRITE_SECONDS, JUDGE_SECONDS = 6e-6, 12e-6
"""To write, and to write and evaluate, a token, however small the network is."""


def seconds(cell: Cell, recipe: Recipe) -> float:
    """Estimated seconds of training, writing and measuring on one core.

    Training takes six operations a parameter and token, and half of that again
    for all the rest; a forward pass two. Where networks are tiny, calls and the
    counting of k-grams outweigh them.
    """
    network, training, measure = recipe.network, recipe.training, recipe.measure
    M = cell.generations
    forward = 2 * network_size(network, cell.source.s) / CPU_OPERATIONS
    steps = sum(training.length(cell.schedule.total(m), network.context) for m in range(1, M + 1))
    step = STEP_SECONDS * (1 + network.layers) * (training.shards or 1)
    step += 1.5 * 3 * forward * training.batch * network.context
    fit = steps * step + M * forward * training.evaluations * measure.validation
    # p(1) a second time, and p(0), are one generation more each; others may have made them.
    more = (measure.retrain + (recipe.truth == "trained") / cell.replicates) / M
    write = (cell.schedule.n or 0) * (WRITE_SECONDS + forward)
    judge = measure.tokens * (JUDGE_SECONDS + 2 * forward)
    return cell.replicates * (fit * (1 + more) + M * (write + judge))


def memory(cell: Cell, recipe: Recipe) -> int:
    """Bytes of the stored distributions and corpora; the network is the device's matter."""
    stored = 4 * recipe.measure.contexts * cell.source.s * cell.replicates * cell.generations
    return 4 * stored + 4 * cell.schedule.largest_pool(cell.generations)


def network_size(network: Network, s: int) -> int:
    """Number of parameters with a vocabulary of s tokens."""
    d, bias = network.embedding, int(network.bias)
    block = 12 * d * d + 2 * d + bias * (3 * d + d + 4 * d + d + 2 * d)
    out = 0 if network.tied else s * d
    return s * d + network.context * d + network.layers * block + d * (1 + bias) + out
