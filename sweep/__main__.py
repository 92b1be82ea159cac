"""`python -m sweep +experiment=NAME [key=value ...]`"""

import os
import signal
import sys
from typing import NoReturn


def leave(*_: object) -> NoReturn:
    """Exit on a Ctrl-C that comes before anything has started.

    It exits the process, since Python may drop a KeyboardInterrupt while modules are imported.
    """
    print("\nsweep: interrupted; run the same command again to resume", file=sys.stderr)
    sys.stderr.flush()
    os._exit(130)


def main() -> None:
    """Run the command line; an interrupt ends it at once until a sweep has something to save."""
    signal.signal(signal.SIGINT, leave)
    from sweep.cli import main as run

    run()


if __name__ == "__main__":
    main()
