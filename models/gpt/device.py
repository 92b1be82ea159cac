"""Where a network runs: device, precision, threads.

A CPU gets one thread: the number of threads changes the order of sums, and two
processes of one thread each do more on two cores than two of two. A network uses
more cores, or GPUs, by more processes (`models.gpt.data_parallel`).
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass

import torch


@dataclass(frozen=True, kw_only=True)
class Device:
    """A place to compute."""

    name: str
    """cpu or cuda."""
    bfloat16: bool
    """Whether products are in bfloat16; sums and weights stay in float32."""
    compiled: bool
    """Whether networks are compiled before training, which pays on a GPU."""

    @property
    def fingerprint(self) -> str:
        """A text of all that bits depend on besides the settings."""
        kind = (
            torch.cuda.get_device_name() if self.name == "cuda"
            else torch.backends.cpu.get_cpu_capability()
        )  # fmt: skip
        precision = "bfloat16" if self.bfloat16 else "float32"
        return f"torch {torch.__version__}, {self.name} {kind}, {precision}"


def choose(precision: str, name: str = "auto", *, compiled: bool | None = None) -> Device:
    """The GPU if there is one, else the CPU; compiled: None compiles on a GPU.

    Raises ValueError if a GPU is requested and there is none.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise ValueError("device: got cuda, and torch sees no GPU; allowed here: cpu or auto")
    gpu = name == "cuda"
    bfloat16 = precision == "bfloat16" or (precision == "auto" and gpu)
    return Device(name=name, bfloat16=bfloat16, compiled=gpu if compiled is None else compiled)


def gpus() -> int:
    """The number of GPUs that this process sees."""
    return torch.cuda.device_count()


@contextlib.contextmanager
def deterministic(device: Device) -> Iterator[None]:
    """A context of one thread and fixed orders of summation; its end restores both."""
    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    if device.name == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        # Some attention kernels have no fixed order: a warning is better than no result.
        torch.use_deterministic_algorithms(True, warn_only=True)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(strict)


def reseed(device: Device, seed: int) -> None:
    """Seed the generator of dropout; 100 times cheaper than `torch.manual_seed`."""
    if device.name == "cuda":
        torch.cuda.default_generators[torch.cuda.current_device()].manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)


def generator(seed: int) -> torch.Generator:
    """An independent stream of random numbers on the CPU, where it is the same everywhere."""
    return torch.Generator().manual_seed(seed)


def autocast(device: Device) -> torch.autocast:
    """The context of forward passes: products in bfloat16 where the device says so."""
    return torch.autocast(device.name, torch.bfloat16, enabled=device.bfloat16)
