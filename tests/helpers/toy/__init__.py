"""A kind of model as somebody else would add it: what `sweep.cells.kinds` asks of a package."""
