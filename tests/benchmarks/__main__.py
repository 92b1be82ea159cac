"""Run the benchmarks named, or all, and print their tables.

python -m tests.benchmarks [NAME ..]
"""

import importlib
import pkgutil
import sys
import textwrap
from pathlib import Path

from tests.benchmarks import Table

WIDTH = 80


def shown(table: Table) -> str:
    """The table as text: the first column to the left, the others to the right."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[k]) for line in lines) for k in range(len(table.header))]
    text = [
        "  ".join(
            cell.ljust(width) if k == 0 else cell.rjust(width)
            for k, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    text.insert(1, "-" * max(map(len, text)))
    note = textwrap.fill(table.note, WIDTH)
    return "\n".join(["", table.title, "", *text, *(["", note] if note else [])])


def main() -> None:
    names = [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)])]
    known = sorted(set(names) - {"__main__"})
    chosen = sys.argv[1:] or known
    if unknown := set(chosen) - set(known):
        print(f"benchmark: got {', '.join(sorted(unknown))}; allowed: {', '.join(known)}")
        sys.exit(2)
    for name in chosen:
        for table in importlib.import_module(f"tests.benchmarks.{name}").main():
            print(shown(table), flush=True)


if __name__ == "__main__":
    main()
