# Two commands on a fresh machine: `make demo` and `make test`. Each installs what is missing.
PYTHON := .venv/bin/python
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench

help:
	@echo 'make demo    the main job on a bundled batch, then the two web sites (ARGS=--once: no sites)'
	@echo 'make test    every test (ARGS=... goes to pytest)'
	@echo 'make setup   install what is missing, nothing else'
	@echo 'make lint    ruff and mypy --strict'
	@echo 'make bench   the measurements, in about ten minutes (ARGS="--glyphs FOLDER": real handwriting)'

setup:
	@./setup.sh

demo: setup
	@$(PYTHON) -m kiosk.demo $(ARGS)

test:
	@./setup.sh tests
	OMP_NUM_THREADS=1 $(PYTHON) -m pytest -n 3 --dist worksteal $(ARGS)

lint: setup
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

bench: setup
	$(PYTHON) -m bench.reading --sheets 30 $(ARGS)
	$(PYTHON) -m bench.peers --sheets 2
	$(PYTHON) -m bench.roll_match
	$(PYTHON) -m bench.round_trip --n 2 --spoiled 2 --conditions scan
	$(PYTHON) -m bench.print_speed --counts 1 10 100
	$(PYTHON) -m bench.intake_speed 5
