"""`python -m sweep +experiment=NAME [key=value ...]`"""

import os
import signal
import sys
from typing import NoReturn


def leave(*_: object) -> NoReturn:
    """Ctrl-C before anything has started.

    Not a KeyboardInterrupt: while modules are imported Python may drop one, and go on.
    """
    print("\nsweep: interrupted; the same command goes on from here", file=sys.stderr)
    sys.stderr.flush()
    os._exit(130)


def main() -> None:
    """The command line; an interrupt ends it at once until a sweep has something to save."""
    signal.signal(signal.SIGINT, leave)
    from sweep.cli import main as run

    run()


if __name__ == "__main__":
    main()
