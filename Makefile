# make demo    set up what is missing and show the main job against a simulated Telegram; ARGS="--json --out DIR …"
# make test    set up what is missing and run all tests; ARGS="-k name …", WORKERS=0 for one process, as --pdb needs
# make cover   make test, measured: what no test reaches, and why; twice as long; ARGS=--write-docs, ARGS=--last
# make fuzz    25 times as many hostile updates, messages, files and settings, about 10 minutes; ARGS="-k settings"
# make bench   measure beside other clients, about 25 minutes; ARGS="--quick", "--write-docs", "--only SECTION …"
# make stress  10 curators, 2000 messages, 30 kills, about 15 minutes; STRESS_SEED=7, STRESS_KILLS=… before it
# make chaos   200 seeds of faults of every kind, about an hour; CHAOS_SEEDS=20, CHAOS_FROM=…, CHAOS_SEED=7 to play
#              one again; ARGS="--planted" plants bugs and shows that they are found, "--write-docs"
# make soak    an hour of mixed load with faults, and whether anything grows that should not; SOAK_SECONDS=300,
#              SOAK_SEED=…; ARGS="--planted" plants a leak and shows that it is found, "--write-docs"
# make lint    ruff and mypy
# make fmt     format the code
# make image   build the container image and run it, with podman; ARGS="--isolation chroot …" are for its build
# make audit   look for known weaknesses in the dependencies, or at least at the hashes of the locks
# make lock    resolve the dependencies anew into requirements/*.lock

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
ARGS ?=
## Processes that run tests: many of those wait, so that there may be twice as many as a small machine has cores.
WORKERS ?= 4
export PYTHON MAKECMDGOALS

.PHONY: help demo test cover fuzz bench stress chaos soak image lint fmt audit lock setup setup-runtime

help:
	@sed -n 's/^# //p' Makefile

demo: setup-runtime
	@$(BIN)/teltubby demo $(ARGS)

test: setup
	@scripts/install-package.sh rabbitmq-server prometheus
	@scripts/install-venv.sh swift
	@$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal $(ARGS)

cover: export WORKERS := $(WORKERS)
cover: setup
	@scripts/install-package.sh rabbitmq-server prometheus
	@scripts/install-venv.sh swift
	@$(BIN)/python -m scripts.measure_coverage $(ARGS)

fuzz: export HYPOTHESIS_PROFILE ?= deep
fuzz: setup
	@$(BIN)/python -m pytest tests/fuzz tests/security --numprocesses $(WORKERS) --dist worksteal $(ARGS)

bench: setup
	@scripts/install-package.sh rabbitmq-server
	@scripts/install-venv.sh bench
	@$(BIN)/python -m benchmarks $(ARGS)

stress: export STRESS_MESSAGES ?= 2000
stress: export STRESS_CURATORS ?= 10
stress: export STRESS_KILLS ?= 30
stress: export STRESS_WITHIN ?= 1800
stress: setup
	@scripts/install-package.sh rabbitmq-server
	@scripts/install-venv.sh swift
	@$(BIN)/python -m pytest tests/acceptance/stress $(ARGS)

chaos: setup
	@scripts/install-package.sh rabbitmq-server
	@scripts/install-venv.sh swift
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: setup
	@scripts/install-package.sh rabbitmq-server
	@scripts/install-venv.sh swift
	@$(BIN)/python -m tests.soak $(ARGS)

image: setup
	@scripts/make-image.sh $(ARGS)
	@TELTUBBY_TEST_IMAGE=$${IMAGE:-localhost/teltubby:latest} $(BIN)/python -m pytest tests/deploy/test_image.py

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

fmt: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

audit: setup
	@$(BIN)/python scripts/audit-locks.py

lock: setup
	@scripts/lock.sh $(ARGS)

setup:
	@scripts/setup.sh dev

setup-runtime:
	@scripts/setup.sh runtime
