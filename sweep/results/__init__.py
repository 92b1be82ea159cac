"""From the curves of a cell to its metrics, theory, data set and files."""
