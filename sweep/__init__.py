"""The experiment shell: configuration, grids, trials, tracking, reports."""
