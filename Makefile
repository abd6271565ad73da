# The two commands a newcomer needs are `make run` and `make test`; both set up everything they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
QUALITY_DATA ?= benchmarks/quality/data

.PHONY: run test lint bench faults quality ablations golden clean

run: $(VENV)/.run ## play recorded machines through the whole service, with a live table
	@$(BIN)/spikewatch demo

test: $(VENV)/.dev ## every test, against real servers
	@tests/install_servers.sh
	$(BIN)/python -m pytest

lint: $(VENV)/.dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(VENV)/.bench ## throughput and memory, as ratios; a few minutes
	@tests/install_servers.sh
	$(BIN)/python benchmarks/throughput.py

faults: $(VENV)/.bench ## kills, damage, outages and hostile input, against what is promised; about 20 minutes
	@tests/install_servers.sh
	$(BIN)/python benchmarks/faults/kills.py --kills 60
	$(BIN)/python benchmarks/faults/kills.py --kills 30 --bare
	$(BIN)/python benchmarks/faults/broker.py --kills 3
	$(BIN)/python benchmarks/faults/soak.py --readings 2000000 --reconnects 100
	$(BIN)/python benchmarks/faults/soak.py --cycles 1000
	$(BIN)/python benchmarks/faults/fuzz.py --executions 1000000
	$(BIN)/python benchmarks/faults/mutations.py --count 300
	$(BIN)/python benchmarks/faults/disk_full.py
	$(BIN)/python benchmarks/faults/outage.py --hours 6
	$(BIN)/python benchmarks/durability.py --runs 1

quality: $(VENV)/.run ## detection: every figure of the scoreboard; benchmarks/quality/README.md says where the data is from
	@$(BIN)/python benchmarks/quality/board.py --data $(QUALITY_DATA) --command '$(BIN)/spikewatch score'

ablations: $(VENV)/.run ## what each population is worth, by the same scoreboard
	@$(BIN)/python benchmarks/ablations.py --data $(QUALITY_DATA)

golden: $(VENV)/.run ## what the network says, bit by bit, against tests/golden
	@$(BIN)/python tests/golden/vectors.py check

$(VENV)/bin/python:
	@echo "setting up Python packages in $(VENV) (about a minute)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "installing python3-venv"; \
		tests/apt.sh update -qq && tests/apt.sh install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }

# Compiling the network takes longest and needs few of the packages, so it goes on beside the installing of the others.
# If it fails here, the service does it and says why. Modules are compiled by Python when they are first used.
$(VENV)/.run: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(PIP) --no-compile numba msgspec pyyaml
	@echo "compiling the network beside it (a minute or two, once)"
	@$(BIN)/python -c 'from pipeline.engine import compile_network; compile_network()' 2>/dev/null & \
		$(PIP) --no-compile -e . && wait
	@touch $@

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml constraints.txt
	@$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.run

$(VENV)/.bench: $(VENV)/.dev
	@$(PIP) -e '.[bench]'
	@touch $@

clean: ## remove what the commands above have set up; never your data
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
