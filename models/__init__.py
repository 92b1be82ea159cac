"""The science: initial distributions, schedules, theory and the models themselves.

Nothing here imports the experiment shell (`sweep`), Hydra, Ray or MLflow, so
every module runs in a plain process with numpy, scipy and numba.
"""
