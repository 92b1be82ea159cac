# make run and make test do all set-up themselves; they need Python 3.11 to 3.13 and make.

# The first Python of a supported version, so that a newer `python3` is no obstacle.
PYTHON ?= $(firstword $(foreach p,python3 python3.13 python3.12 python3.11 python,$(if $(shell \
	$(p) -c 'import sys, venv, ensurepip; print("yes" * ((3, 11) <= sys.version_info < (3, 14)))' 2>/dev/null),$(p))))
BIN = .venv/bin

.PHONY: run test install check verify bench constraints clean tracking-up tracking-down

run: install
	$(BIN)/python -m sweep +experiment=partial

# Two at a time, whole files: many tests wait for processes to start.
test: install
	$(BIN)/python -m pytest tests -n 2 --dist loadfile

install: .venv/installed

# Anew whenever what is installed changes; the stamp comes last, so a broken install is mended.
.venv/installed: pyproject.toml .ci/constraints.txt
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 with venv is needed: install one, or name it: make PYTHON=/path/to/python3.12"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[test]'
	@touch $@

# Minutes: law against simulation for every schedule, with a printed verdict.
verify: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[verify]'
	$(BIN)/python -m tests.verification
	$(BIN)/python -m pytest tests -m slow

# A shared tracking server without Docker; more about it, and back-ups, in mlflow/README.md.
TRACKING = folder=mlflow-server
tracking-up: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint .ci/constraints.txt --editable '.[server]'
	$(BIN)/python -m sweep.server up $(TRACKING)

tracking-down: install
	$(BIN)/python -m sweep.server down $(filter folder=%,$(TRACKING))

# A minute, on one core; some only: .venv/bin/python -m tests.benchmarks engine
bench: install
	$(BIN)/python -m tests.benchmarks

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The pins anew from what is installed, after trying new versions in .venv.
constraints:
	{ echo "# Versions tested together (Python 3.11 to 3.13). Made by: make constraints"; \
	$(BIN)/python -m pip freeze --exclude-editable | sed "s/+cpu//"; } > .ci/constraints.txt

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache
