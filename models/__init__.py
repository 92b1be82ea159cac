"""The science: initial distributions, schedules, theory and the models themselves.

No module imports the experiment shell (`sweep`), Hydra, Ray or MLflow, so each
runs in a plain process with numpy, scipy and numba, and torch for a GPT.
"""
