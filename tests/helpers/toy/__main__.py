"""`python -m sweep` with the toy: one line for the kind, one declaration for its axis."""

from sweep.cells.axes import AXES, Axis
from sweep.cells.kinds import KINDS

KINDS["toy"] = "tests.helpers.toy"
AXES["rate"] = Axis(
    name="rate", text="share of the diversity that a generation loses", label="rate", of="kind",
    whole=False, low=0.0, high=1.0, allowed="numbers from 0 to 1", default=0.5,
)  # fmt: skip

if __name__ == "__main__":
    from sweep.cli import main

    main()
