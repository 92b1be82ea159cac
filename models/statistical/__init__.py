"""The statistical language model, with one context or many: the fast engine, on numba."""
