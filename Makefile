# The two commands a newcomer needs are `make run` and `make test`; both set up everything they use.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check
RUN_LOCKS := constraints.txt constraints-files.txt constraints-demo.txt
DEV_LOCKS := $(RUN_LOCKS) constraints-notify.txt constraints-waveform.txt constraints-nir.txt constraints-docs.txt constraints-spark.txt constraints-bulk.txt constraints-dev.txt
NETWORK := setup.py build_core.py $(wildcard encoders/*.[ch] pipeline/network/*.[ch])
QUALITY_DATA ?= benchmarks/quality/data

# Tests wait for servers and timers for more than half of their time.
WORKERS ?= 3
TOGETHER := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
ROUNDS ?= 10

.PHONY: run test lint docs explore bench faults quality ablations device golden wheels sbom lock clean

run: $(VENV)/.run ## play recorded machines through the whole service, with a live table
	@$(BIN)/spikewatch demo

test: $(VENV)/.dev ## every test, against real servers
	@tests/install_servers.sh
	$(BIN)/python -m pytest $(TOGETHER) --durations 10

lint: $(VENV)/.dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.docs ## the pages of docs/ as site/, to be opened without internet; broken links are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs --quiet build --strict
	@echo "open site/index.html"

explore: $(VENV)/.dev ## the property tests with examples that nobody has tried; what fails is tried first the next time
	@tests/install_servers.sh
	for round in $$(seq $(ROUNDS)); do \
		$(BIN)/python -m pytest -q $(TOGETHER) -m hypothesis --hypothesis-profile explore || exit 1; done

bench: $(VENV)/.bench ## throughput and memory, as ratios, and starts and stops; some ten minutes
	@tests/install_servers.sh
	$(BIN)/python benchmarks/throughput.py
	$(BIN)/python benchmarks/start.py
	$(BIN)/python benchmarks/upstream.py --minutes 20

faults: $(VENV)/.bench ## kills, damage, outages and hostile input, against what is promised; about 25 minutes
	@tests/install_servers.sh
	$(BIN)/python benchmarks/faults/kills.py --kills 60
	$(BIN)/python benchmarks/faults/kills.py --kills 30 --bare
	$(BIN)/python benchmarks/faults/broker.py --kills 3
	$(BIN)/python benchmarks/faults/soak.py --readings 10000000 --reconnects 4
	$(BIN)/python benchmarks/faults/soak.py --cycles 1000
	$(BIN)/python benchmarks/faults/fuzz.py --executions 2000000
	$(BIN)/python benchmarks/faults/fuzz_files.py --executions 100000
	$(BIN)/python benchmarks/faults/mutations.py --count 300
	$(BIN)/python benchmarks/faults/disk_full.py
	$(BIN)/python benchmarks/faults/outage.py --hours 6
	$(BIN)/python benchmarks/durability.py --runs 1

quality: $(VENV)/.run ## detection: every figure of the scoreboard; benchmarks/quality/README.md says where the data is from
	@$(BIN)/python benchmarks/quality/board.py --data $(QUALITY_DATA) --command '$(BIN)/spikewatch score'

ablations: $(VENV)/.run ## what each population is worth, by the same scoreboard
	@$(BIN)/python benchmarks/ablations.py --data $(QUALITY_DATA)

device: $(VENV)/.dev ## a machine on emulated Cortex-M3, M4F and M33
	@tests/install_servers.sh
	SPIKEWATCH_ALL_DEVICES=1 $(BIN)/python -m pytest -q -s tests/test_device_program.py
	$(BIN)/python benchmarks/device.py

golden: $(VENV)/.run ## what the network says, bit by bit, against tests/golden
	@$(BIN)/python tests/golden/vectors.py check

$(VENV)/bin/python:
	@echo "setting up Python packages in $(VENV) (about a minute)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "installing python3-venv"; \
		tests/apt.sh update -qq && tests/apt.sh install -y -qq python3-venv && $(PYTHON) -m venv $(VENV); }

# The exact files that the tests ran with (constraints*.txt, `make lock`); the project itself has no hash. Its network
# is C and compiled here, in seconds; without apt, pip says what is missing. Modules are compiled by Python when they
# are first used.
define install
	@$(PIP) --no-compile --require-hashes $(1:%=-r %)
	@missing="$$($(BIN)/python build_core.py --missing)"; \
		[ -z "$$missing" ] || ! command -v apt-get >/dev/null || { echo "installing $$missing"; tests/apt.sh update -qq && \
		tests/apt.sh install -y -qq --no-install-recommends $$missing; }
	@$(PIP) --no-compile --no-deps --no-build-isolation -e .
	@touch $@
endef

$(VENV)/.run: $(VENV)/bin/python pyproject.toml $(RUN_LOCKS) $(NETWORK)
	$(call install,$(RUN_LOCKS))

$(VENV)/.dev: $(VENV)/bin/python pyproject.toml $(DEV_LOCKS) $(NETWORK)
	$(call install,$(DEV_LOCKS))
	@touch $(VENV)/.run

$(VENV)/.docs: $(VENV)/.run constraints-docs.txt
	@$(PIP) --require-hashes $(RUN_LOCKS:%=-r %) -r constraints-docs.txt
	@touch $@

$(VENV)/.bench $(VENV)/.release: $(VENV)/.%: $(VENV)/.dev constraints-%.txt
	@$(PIP) --require-hashes $(DEV_LOCKS:%=-r %) -r constraints-$*.txt
	@touch $@

wheels: $(VENV)/.run ## dist/*.whl for x86-64 and ARM64, for every Python from 3.11 on, each tried
	@$(BIN)/python deploy/wheels.py

sbom: $(VENV)/.release ## what a gateway is made of, as build/sbom.json (CycloneDX)
	@mkdir -p build
	PYTHONWARNINGS=ignore $(BIN)/cyclonedx-py requirements constraints.txt --pyproject pyproject.toml --output-reproducible -o build/sbom.json

lock: $(VENV)/.release ## constraints*.txt from pyproject.toml, with the versions they have; UPGRADE=1 takes the newest
	$(BIN)/python deploy/lock.py $(if $(UPGRADE),--upgrade)

clean: ## remove what the commands above have set up; never your data
	rm -rf $(VENV) build dist site *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
