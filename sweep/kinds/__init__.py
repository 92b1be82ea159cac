"""The kinds of models, one package each, which `sweep.cells.kinds` loads by name."""
