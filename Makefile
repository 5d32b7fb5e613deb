# Needs Python 3.11 or later and make; `make setup` brings the rest into .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
export DRIFTLINE_COMPILE ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test plain-test lint bench bench-kafka soak soak-kafka broker-test lock

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(STAMP)  ## build .venv from requirements.lock, and compile what compiled.txt names

COMPILED := $(shell cat compiled.txt)

$(STAMP): $(VENV)/.locked pyproject.toml setup.py compiled.txt $(COMPILED)
	@find stream learners detectors . -maxdepth 3 -name '*.so' -not -path './.*' -delete
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@
	@$(BIN)/driftline --version

$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit( \
	    "driftline needs Python 3.11 or later, and $(PYTHON) is %d.%d; name a newer one: make setup PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	@touch $@

demo: $(STAMP)  ## stream a year of real flights through a learner
	$(BIN)/driftline demo

test: $(STAMP) lint  ## lint, then run all tests as it is installed, and most of them with nothing compiled
	$(BIN)/python -m pytest -n 2 tests
	@$(MAKE) --no-print-directory plain-test

# A copy, as a compiled module goes before its source wherever the two lie side by side.
plain-test: $(STAMP)  ## doctests, and tests without a broker, on the plain sources
	@rm -rf build/plain && mkdir -p build/plain
	@tar -cf - --exclude='*.so' --exclude=./build --exclude='./.*' . | tar -xf - -C build/plain
	cd build/plain && PYTHONPATH=$(CURDIR)/build/plain $(CURDIR)/$(BIN)/python -m pytest -n 2 \
	    -m "not slow and not soak" --ignore tests/kafka --ignore tests/test_deploy.py

lint: $(STAMP)  ## style, types and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo

bench: $(STAMP)  ## measure against the bare River loop, on files and on Kafka
	$(BIN)/python -m benchmarks.bench
	$(BIN)/python -m benchmarks.kafka

bench-kafka: $(STAMP)  ## the part of it on a real broker, and how long recovery takes
	$(BIN)/python -m benchmarks.kafka
	$(BIN)/python -m benchmarks.recovery

soak: $(STAMP)  ## the tests that take minutes: long runs, flat memory, many crashes
	DRIFTLINE_RESULTS=benchmarks/results $(BIN)/python -m pytest -m soak -o faulthandler_timeout=7200

soak-kafka: $(STAMP)  ## half an hour of the service at half of its highest rate
	$(BIN)/python -m benchmarks.soak

broker-test: $(STAMP)  ## those of the tests that need a real Kafka broker, or Java 17 and Maven
	$(BIN)/python -m pytest -o addopts= tests/kafka

LOCK := pip compile --quiet pyproject.toml --universal --python-version 3.11 --fork-strategy fewest \
    --generate-hashes --no-header --no-annotate --no-emit-package driftline

lock: $(STAMP)  ## renew requirements.lock and that of the image from pyproject.toml
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv $(LOCK) --all-extras --output-file requirements.lock
	$(BIN)/uv $(LOCK) deploy/build.in --extra confluent --extra parquet --extra zst --extra demo \
	    --constraint requirements.lock --output-file deploy/requirements.lock
