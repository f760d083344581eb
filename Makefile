# Two commands for a stranger: `make demo` and `make test`. Each sets itself up; nothing outside this folder changes.
PYTHON ?= python3
UV := .uv/bin/uv
RUN := .venv/bin
export UV_PROJECT_ENVIRONMENT := $(CURDIR)/.venv
# Data for calibration and real-traffic tests; tests that need it are skipped with a reason where it is absent.
export CROSSOVER_TEST_DATA ?= $(abspath ../shared/data)

.PHONY: demo test test-vllm setup lint types imports unit bench clean
.DEFAULT_GOAL := demo

$(UV):
	@echo "· installing uv into .uv (no root, no venv package needed)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-warn-script-location --root-user-action=ignore --upgrade --target .uv "uv>=0.9"

.venv/.ready: pyproject.toml uv.lock | $(UV)
	@echo "· installing Crossover with all extras into .venv"
	@PYTHONPATH=.uv $(UV) sync --frozen --all-extras --all-groups --quiet --python $(PYTHON)
	@touch $@

# The rules of privacy are stored as they were read: a start is some 25 ms shorter.
setup: .venv/.ready
	@$(RUN)/python -m crossover.privacy.stored

demo: setup
	@$(RUN)/crossover demo

test: lint types imports unit

lint: setup
	@$(RUN)/ruff check .
	@$(RUN)/ruff format --check .

types: setup
	@$(RUN)/mypy

imports: setup
	@$(RUN)/lint-imports

unit: setup
	@$(RUN)/python -m pytest -n auto -rs

# A real vLLM on the processor: about 3 GB and some minutes, so it is not a part of `make test`.
test-vllm: setup
	@PYTHON=$(PYTHON) scripts/test-vllm

bench: setup
	@for file in benchmarks/*.py; do echo "== $$file"; $(RUN)/python $$file || exit 1; done

clean:
	rm -rf .venv .uv .cache .mypy_cache .ruff_cache .pytest_cache dist demo-output
