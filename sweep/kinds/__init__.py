"""The kinds of models, a package each; `sweep.cells.kinds` loads them by name."""
