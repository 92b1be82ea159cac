"""Searches that choose the cells of a sweep, such as the threshold search and Optuna."""
