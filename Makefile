# The commands a user or a contributor needs; `make` alone lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help

PG_CONFIG ?= /usr/lib/postgresql/15/bin/pg_config
# Movements in the benchmark's ledger; the reference scale is 10000000.
SCALE ?= 1000000

# A shell that has not read the profile rustup wrote does not know its binaries.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin
export PG_CONFIG

# PostgreSQL's directories belong to root.
INSTALL_AS := $(if $(filter-out 0,$(shell id -u)),--sudo)

.PHONY: help setup build install demo demo-psql demo-stop lint check-versions test bench clean

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what is missing to build and test (Debian packages, cargo-pgrx)
	@scripts/setup

build: setup ## compile the extension and lay out its files under target
	cargo pgrx package --pg-config "$(PG_CONFIG)"

install: setup ## compile it and install it into the system's PostgreSQL 15
	cargo pgrx install --release --pg-config "$(PG_CONFIG)" $(INSTALL_AS)

demo: demo-stop install ## see it work on 1.47 million real sales, in a throwaway PostgreSQL
	@demo/run

demo-psql: ## open psql on the running demo
	@demo/psql

demo-stop: ## stop the demo and remove all it made
	@demo/stop

lint: setup ## check formatting, clippy and the safety of the extension's SQL
	@scripts/lint

check-versions: setup ## run clippy for PostgreSQL 14 to 18, installed or not
	@scripts/check-versions

test: lint install ## run every test
	tests/run

bench: install ## measure against plain PostgreSQL (SCALE=10000000 for the reference scale)
	INVENTORY_PERF_BENCH_MOVES=$(SCALE) cargo bench --bench ledger
	cargo bench --bench cache
	cargo bench --bench advisor

clean: demo-stop ## remove what was built
	cargo clean
