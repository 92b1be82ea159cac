"""Ray comes up and goes down as the sweep needs it."""

import subprocess
import sys

CODE = """
import gc, weakref
from sweep.launch import tune
from tests.helpers.configs import settings

class Cycle:
    pass

tune.start(settings("+experiment=smoke").cluster)
import ray
gc.collect()
gc.disable()
one = Cycle()
one.itself, one.reference = one, ray.put(1)
seen = weakref.ref(one)
del one
tune.stop()
print("left" if seen() is not None else "gone")
"""


def test_no_reference_in_a_cycle_outlives_ray() -> None:
    """One that is collected while Ray goes down in another thread ends the whole process."""
    found = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert found.stdout.split()[-1] == "gone"
