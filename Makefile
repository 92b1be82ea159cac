# make run and make test set everything up themselves; they need Python 3.11 to 3.13 and make.

# The first Python of a supported version, so that a newer `python3` does no harm.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(if $(shell \
	$(p) -c 'import sys, venv, ensurepip; print("yes" * ((3, 11) <= sys.version_info < (3, 14)))' 2>/dev/null),$(p))))
BIN = .venv/bin

.PHONY: run test install check verify bench constraints clean tracking-up tracking-down

run: install
	$(BIN)/python -m sweep +experiment=partial

# Two files at a time, the longest first (tests/conftest.py): many tests wait for processes to start.
test: install
	$(BIN)/python -m pytest tests -n 2 --dist loadfile --no-loadscope-reorder

install: .venv/installed

# Repeated whenever the dependencies change; the stamp comes last, so a broken install is repaired.
.venv/installed: pyproject.toml .ci/constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[test]'
	@touch $@

# Takes minutes: theory against simulation for every schedule, with a printed verdict.
verify: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[verify]'
	$(BIN)/python -m tests.verification
	$(BIN)/python -m pytest tests -m slow

# A shared tracking server without Docker; mlflow/README.md says more, also about back-ups.
TRACKING = folder=mlflow-server
tracking-up: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[server]'
	$(BIN)/python -m sweep.server up $(TRACKING)

tracking-down: install
	$(BIN)/python -m sweep.server down $(filter folder=%,$(TRACKING))

# Takes a minute on one core; to run only some: .venv/bin/python -m tests.benchmarks engine
bench: install
	$(BIN)/python -m tests.benchmarks

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Writes the pins again from what is installed, after new versions have been tried in .venv.
constraints:
	{ echo "# Versions tested together (Python 3.11 to 3.13). Made by: make constraints"; \
	$(BIN)/python -m pip freeze --exclude-editable | sed "s/+cpu//"; } > .ci/constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
