# The verbs of this repository; `make` alone lists them. They need Python 3.11 or newer, a shell, make and the network,
# and work in .venv, which the first of them makes. Settings: PYTHON3 makes .venv, JOBS tests run at once, SEED and
# MINUTES are for torture and mutants, BACKEND (file or gs) and PART (edge or operations) for torture, RECORDS for bench,
# bench-edge and hostile, CASES for alike, HOURS for soak; for demo STORY (landing, failures, dead-letters or replay), SINK
# (file or gs), DEMO_RECORDS and KEEP=1; KAFKA_PORT and the like, LAKE_ROOT and PART (engine, edge, …) for the platform
# (docs/platform.md).

PYTHON3 ?= python3
JOBS = 3

VENV = .venv
PYTHON = $(VENV)/bin/python
INSTALLED = $(VENV)/installed
NATIVE = $(VENV)/native
AIRFLOW = $(VENV)/airflow
DEPLOY = $(VENV)/deploy

# Some containers forbid Python to keep its bytecode: then each command that a test starts compiles everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup native wheel demo up down status logs test check format docs bench bench-peers bench-edge bench-diff bench-backfill guard
.PHONY: faults torture mutants hostile alike soak screenshots clean

help:  ## list these targets
	@echo 'make TARGET, one of:'
	@sed -n 's/^\([a-z-]*\):.*## /  \1	/p' Makefile

setup: $(NATIVE) $(AIRFLOW)  ## make .venv, with StreamLake at .venv/bin/streamlake

native: $(INSTALLED)  ## build streamlake-native, which spares CPU, into .venv; setup tries it, this says why it can't
	@$(PYTHON) native/install.py
	@touch $(NATIVE)

wheel: $(INSTALLED)  ## build a wheel of streamlake-native for any Linux of this machine's kind, into dist
	@$(PYTHON) native/install.py --wheel dist

demo: $(NATIVE)  ## tell four stories of a real Kafka, counted at each hop, into demo-report.html, too; STORY tells one, SINK=gs in a bucket
	@$(PYTHON) -m streamlake.engine.local.demo

up: $(NATIVE) $(AIRFLOW)  ## start the platform on this machine: Kafka, storage, engine, HTTP edge, Airflow, Prometheus if installed; KAFKA_PORT, EDGE_PORT, …, LAKE_ROOT
	@$(PYTHON) -m streamlake.engine.local.platform up

down: $(NATIVE)  ## stop the platform; its data stays in .platform
	@$(PYTHON) -m streamlake.engine.local.platform down

status: $(NATIVE)  ## say of each part of the platform whether it lives and is healthy
	@$(PYTHON) -m streamlake.engine.local.platform status

logs: $(NATIVE)  ## show the ends of the platform's logs; PART=engine: more of one
	@$(PYTHON) -m streamlake.engine.local.platform logs $(PART)

test: check $(DEPLOY)  ## everything that has to pass: check, then all tests
	@$(PYTHON) -m pytest -n $(JOBS)

check: $(NATIVE) $(AIRFLOW)  ## lint, format, types, and the rules of architecture and style; seconds, no server
	@$(VENV)/bin/ruff check
	@$(VENV)/bin/ruff format --check
	@$(VENV)/bin/mypy
	@$(PYTHON) -m pytest -q tests/test_architecture.py tests/test_style.py

format: $(NATIVE)  ## rewrite the code as `check` wants it, where a tool can
	@$(VENV)/bin/ruff check --fix-only
	@$(VENV)/bin/ruff format

docs: $(NATIVE)  ## write the pages and the picture that are made from the code, then build the site of all pages, into build/site
	@$(PYTHON) -m streamlake.engine.codes.page > docs/errors.md
	@$(PYTHON) -m streamlake.engine.operations.configuration
	@$(PYTHON) deploy/grafana/dashboard.py > deploy/grafana/dashboards/streamlake.json
	@$(PYTHON) -m streamlake.engine.cli.page > docs/commands.md
	@$(PYTHON) tests/handbook/picture.py docs/images/architecture.toml
	@$(PYTHON) tests/handbook/build.py

bench: $(NATIVE)  ## measure throughput, CPU, memory and start-up on this machine
	@$(PYTHON) benchmarks/run.py --records $(or $(RECORDS),2000000) --json-file docs/measured/bench.json

bench-peers: $(NATIVE)  ## land the same records by what else there is, too, each checked for what it landed; a quarter of an hour
	@$(PYTHON) benchmarks/peers/run.py --json docs/measured/peers.json --chart docs/measured

bench-edge: $(NATIVE)  ## post the same orders to the HTTP edge and to FastAPI and gthread, every answer checked; RECORDS of the look at memory
	@$(PYTHON) benchmarks/edge/run.py --records $(or $(RECORDS),1000000) --json docs/measured/edge.json --chart docs/measured

bench-diff: $(NATIVE)  ## compare two runs of RECORDS (1,000,000) offset by offset, and read them in the place of Kafka; two minutes
	@$(PYTHON) benchmarks/diff.py --records $(or $(RECORDS),1000000)

bench-backfill: $(NATIVE)  ## how far a live run under load is behind, alone and while a backfill runs; five minutes
	@$(PYTHON) benchmarks/beside.py

guard: $(NATIVE)  ## fail when a record costs twice what it did, as a multiple of librdkafka's drain; a minute
	@$(PYTHON) benchmarks/guard.py

faults: $(NATIVE)  ## each step of a commit under each fault of the storage, bucket and disk, into docs/reliability.md; half an hour
	@$(PYTHON) tests/storage/run.py --table docs/reliability.md

torture: $(NATIVE)  ## break Kafka, network, disk and engines at random for MINUTES (5), and count every record; SEED repeats
	@$(PYTHON) tests/torture/run.py --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED)) \
		$(if $(BACKEND),--backend $(BACKEND)) $(if $(PART),--part $(PART))

mutants: $(NATIVE)  ## torture each mutant of the protocol until it is caught, MINUTES (5) at most; an hour
	@$(PYTHON) tests/torture/mutants.py --minutes $(or $(MINUTES),5) $(if $(SEED),--seed $(SEED))

hostile: $(NATIVE)  ## land RECORDS (1,000,000) mutated orders in every way there is, and compare all answers
	@$(PYTHON) tests/hostile/run.py --records $(or $(RECORDS),1000000) $(if $(SEED),--seed $(SEED))

alike: $(NATIVE)  ## decide CASES (1,000,000) nearly right payloads by each fast path and by the exact one; minutes
	@$(PYTHON) tests/validators/alike.py --cases $(or $(CASES),1000000) $(if $(SEED),--seed $(SEED))

soak: $(NATIVE)  ## run an engine under load for HOURS (8), a kill a minute, and fail where memory, files or lag grow
	@$(PYTHON) tests/soak/run.py --hours $(or $(HOURS),8)

screenshots: $(NATIVE) $(AIRFLOW)  ## draw the pictures in docs/images: `top` and the live table by the commands, the demo's report and Airflow's pages by Chromium
	@$(PYTHON) tests/screens/run.py docs/images
	@$(PYTHON) tests/screens/demo.py docs/images
	@$(PYTHON) tests/airflow/pictures.py docs/images

clean:  ## remove what tools leave behind; .venv and the download cache stay
	@rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .demo demo-report.html .coverage .coverage.*
	@rm -rf *.egg-info
	@find . -name $(VENV) -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +

# Made last, so that a setup that was interrupted is done again. setuptools comes first and is the one that builds:
# so the network is asked for nothing but the packages in constraints.txt.
$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON3) -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "StreamLake needs Python 3.11 or newer, \
and $(PYTHON3) is %d.%d. With a newer one beside it: make setup PYTHON3=python3.12" % v[:2])'
	@echo 'setup: installing into $(VENV), a minute or two the first time'
	@$(PYTHON3) -m venv $(VENV) || { echo 'setup: $(PYTHON3) can not make a virtual environment;' \
		'on Debian and Ubuntu its part for that is the package python3-venv' >&2; exit 1; }
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt setuptools
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[local,gcs,edge,quality,otel,docs,dev]'
	@touch $(INSTALLED)
	@echo 'setup: done, try $(VENV)/bin/streamlake --help'

# What the tests of deploy/ need, and nobody else.
$(DEPLOY): $(INSTALLED)
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[deploy]'
	@touch $(DEPLOY)

# Where there is no compiler, or Python's headers are missing, setup says so and is done: all works without, at more CPU.
$(NATIVE): $(INSTALLED) $(wildcard native/*.py native/src/* native/streamlake_native/*)
	@$(PYTHON) native/install.py --if-possible
	@touch $(NATIVE)

# Airflow is large, and `dags/` alone needs it: what has nothing to do with them is set up without.
$(AIRFLOW): $(INSTALLED)
	@echo 'setup: installing Airflow for `dags/` and their tests into $(VENV), half a minute'
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check -c constraints.txt --no-build-isolation -e '.[airflow]'
	@touch $(AIRFLOW)
