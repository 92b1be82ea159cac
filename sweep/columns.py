"""Text in columns, for a terminal."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]], widths: Sequence[int] | None = None) -> list[str]:
    """Format each row as a line: the first column is left-aligned, the others right-aligned.

    widths: of the columns, in characters; by default each is as wide as its longest text.
    """
    if not rows:
        return []
    wide = widths or [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    return [
        "  ".join(
            text.rjust(width) if k else text.ljust(width)
            for k, (text, width) in enumerate(zip(row, wide, strict=True))
        ).rstrip()
        for row in rows
    ]
