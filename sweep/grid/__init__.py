"""From settings to cells: expansion of the grid, the corpus, cost, memory and packing."""
