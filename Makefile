# Needs Python 3.11 to 3.13 and make; everything else goes into .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: score test lint types unit kill-matrix frameworks adapters confirm docs bench record clean

score: .venv/examples  ## score the two reference agents
	$(BIN)/python tools/score.py

test: .venv/dev lint types unit  ## everything that CI runs

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

unit: .venv/dev
	$(BIN)/python -m pytest -n auto --dist worksteal

kill-matrix: .venv/dev  ## every twin against every check; writes reports/kill-matrix.md
	$(BIN)/python tests/kill_matrix.py --whole

frameworks: .venv/dev  ## every framework's agents, each in its own environment; writes reports/frameworks
	$(BIN)/python -m tools.frameworks

adapters: .venv/dev  ## the tests of three adapters in their environments, which CI runs; the others: tools.frameworks --test
	$(BIN)/python -m tools.frameworks --test langgraph openai-agents pydantic-ai

confirm: .venv/dev  ## what their scorecards say, shown by scripts without agentcheck
	$(BIN)/python -m tools.frameworks --confirm

docs: .venv/dev  ## the page of each check
	$(BIN)/python tools/docs.py

bench: .venv/dev .venv-bench/peers
	$(BIN)/python benchmarks/import_cost.py
	$(BIN)/python benchmarks/scorecard.py
	$(BIN)/python benchmarks/gateway.py
	$(BIN)/python benchmarks/fuzz.py
	.venv-bench/bin/python benchmarks/replay.py
	.venv-bench/bin/python benchmarks/crash_points.py

record: .venv/dev  ## record the reference agents with a small real model; needs a C compiler, takes minutes
	$(BIN)/python -m tools.record

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/examples: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[examples]"
	touch $@

.venv/dev: .venv/bin/python pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[examples,dev]"
	touch $@ .venv/examples

.venv-bench/peers: pyproject.toml  ## what replay and crash points are measured against; apart, since its plugins would load
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install --quiet --editable ".[examples]" cassetter==0.16.1 \
	    langchain==1.4.7 langgraph==1.2.22 langchain-openai==1.7.3 langgraph-checkpoint-sqlite==3.1.2
	touch $@

clean:
	rm -rf .venv .venv-bench .venv-frameworks build dist *.egg-info reports/deploybot reports/deploybot_loop
