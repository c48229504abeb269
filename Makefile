# edgebench: entry points for people and CI. Needs CPython 3.11 to 3.14 with venv, GNU make and git.
# `make` alone prints what there is.

.DEFAULT_GOAL := help
# The benchmark and the timing tests want the machine for themselves, so -j changes nothing here.
.NOTPARALLEL:
# Parts of `make test-all`; tests/tiers.py says what each runs and needs.
PARTS := lint unit browser today local scenario-x86 thorough stacks phenom integration scenario-share scenario-jetson \
	faults-sample mutants fresh-bookworm fresh-trixie scenario-phenom scenario-arm jetson-refusals \
	jetson-faults lab-walk interaction walk-bookworm walk-trixie ansible-2.19 ansible-2.21
.PHONY: help bench report verify lab lab-down test test-all packages format fuzz faults audit collection release $(PARTS) perf perf-fleet perf-kws perf-page perf-report perf-runner perf-explain perf-telemetry perf-tuned lock clean venv venv-test

# A locale that is not UTF-8, or not installed, ends Ansible; `locale` complains of the latter beside its answer.
ifneq ($(shell locale charmap 2>&1),UTF-8)
export LC_ALL := C.UTF-8
endif
# Settings of other projects would lead Python out of .venv and Ansible away from this checkout.
unexport PYTHONHOME PYTHONPATH
unexport ANSIBLE_CONFIG ANSIBLE_INVENTORY ANSIBLE_ROLES_PATH ANSIBLE_LIBRARY ANSIBLE_MODULE_UTILS ANSIBLE_ACTION_PLUGINS \
	ANSIBLE_CALLBACK_PLUGINS ANSIBLE_FILTER_PLUGINS ANSIBLE_INVENTORY_PLUGINS ANSIBLE_HOME ANSIBLE_LOCAL_TEMP \
	ANSIBLE_COLLECTIONS_PATH ANSIBLE_CACHE_PLUGIN ANSIBLE_CACHE_PLUGIN_CONNECTION ANSIBLE_PYTHON_INTERPRETER
export PYTHON
export EDGEBENCH_ANSIBLE
export UPGRADE
export STACK
export PYTEST_ARGS

STEP := tools/step.sh
BIN := .venv/bin
# Linters and Ansible's tools call one another by name.
WITH_VENV := env PATH="$(CURDIR)/$(BIN):$$PATH"
PYTEST := $(WITH_VENV) $(BIN)/python -m pytest
# What a caller adds to ansible-playbook and pytest, for example ANSIBLE_ARGS='-v' or PYTEST_ARGS='-x -k records'.
ANSIBLE_ARGS :=
PYTEST_ARGS :=
PERF_ARGS :=
PERF_FLEET_ARGS :=
PERF_KWS_ARGS :=
PERF_TELEMETRY_ARGS :=
PERF_EXPLAIN_ARGS :=
FUZZ_SECONDS := 600
FUZZ_TARGETS :=
PERF_REPORT_ARGS :=
FAULTS_KILLS := 100
INVENTORY := inventory
# Hosts of inventory/lab that `make lab` starts; all if empty.
HOSTS :=
# More parts that `make test` runs, for example MORE='stacks phenom'.
MORE :=
TIERS := $(WITH_VENV) $(BIN)/python -m tests.tiers

help:
	@echo 'edgebench: make TARGET'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-14s %s\n", $$1, $$2 }'
	@echo
	@python3 -m tests.tiers list 2>/dev/null || echo 'Install python3 to see the tiers of tests.'
	@echo
	@echo "Variables: PYTHON=/path/to/python3.12, ANSIBLE_ARGS='...', PYTEST_ARGS='...', PERF_ARGS='...', UPGRADE=1 or STACK=NAME (with lock)"

venv:
	@sh tools/setup_venv.sh controller $(PURPOSE)

venv-test:
	@command -v git >/dev/null || { echo 'edgebench: git is missing; install the Debian package git' >&2; exit 1; }
	@sh tools/setup_venv.sh test

bench: PURPOSE := bench
bench: venv ## benchmark this machine (quick profile) and show the tables
	@$(STEP) 'Preparing this machine under .edgebench/ (minutes the first time, then seconds)' $(BIN)/ansible-playbook provision.yml -l local $(ANSIBLE_ARGS)
	@$(STEP) 'Benchmarking this machine' tools/bench.sh $(BIN)/ansible-playbook $(ANSIBLE_ARGS)

report: venv ## build the report again from the records in results/
	@$(STEP) 'Building the report' $(BIN)/ansible-playbook report.yml $(ANSIBLE_ARGS)

verify: venv-test ## check the state of the fleet's hosts (INVENTORY=..., PYTEST_ARGS='-k user')
	@$(STEP) 'Checks of host state' $(PYTEST) tests/host --hosts=ansible://all --ansible-inventory=$(INVENTORY) $(PYTEST_ARGS)

lab: venv-test packages ## start real SSH hosts on this machine, as root, all or HOSTS='Bilbo Merry'; reach them by -i inventory/lab
	@$(BIN)/python -m lab up $(HOSTS)
	@echo "Next: $(BIN)/ansible-playbook -i inventory/lab provision.yml, then bench.yml; in the end make lab-down"

lab-down: venv-test ## end that fleet and drop its disks
	@$(BIN)/python -m lab down

packages: venv-test
	@$(TIERS) install lab

test: venv-test ## the tests for every change, see below; as root it installs the packages that they need
	@$(TIERS) run test $(MORE)

test-all: venv-test ## all tests, in parts of at most 25 minutes, see below
	@$(TIERS) run test-all

$(PARTS): venv-test
	@$(TIERS) run $@

format: venv-test ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

fuzz: venv-test ## feed the readers of what others send for FUZZ_SECONDS=600 (FUZZ_TARGETS='records series')
	@$(STEP) 'Fuzzing' $(BIN)/python -m tests.fuzz.run --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

faults: venv-test packages ## kill, cut off and fill up what can be (as root, an hour), and write docs/reliability.md (FAULTS_KILLS=100)
	@$(STEP) 'Faults of disks, memory and clocks' $(BIN)/python -m tests.faults.machine
	@$(STEP) 'Faults of links, power and controllers' $(BIN)/python -m tests.faults.hosts
	@$(STEP) '$(FAULTS_KILLS) random kills' $(BIN)/python -m tests.faults.campaign --kills $(FAULTS_KILLS)
	@$(BIN)/python -m lab down --name faults
	@$(BIN)/python -m tests.faults.table

perf: perf-runner perf-kws perf-explain perf-report perf-fleet perf-page ## ratios: the runner against bare Keras, our Ansible settings against stock ones

perf-fleet: venv-test packages ## provisioning eight hosts that are ready: stock settings, ours, mitogen (as root)
	@$(STEP) 'Provisioning eight hosts again' env PYTHONPATH=. $(BIN)/python tests/perf/fleet.py $(PERF_FLEET_ARGS)

perf-runner: venv ## the runner's time over a bare Keras script's, for each workload
	@$(STEP) 'Preparing this machine under .edgebench/' $(BIN)/ansible-playbook provision.yml -l local $(ANSIBLE_ARGS)
	@$(BIN)/python bench/build_zipapp.py --out build/edgebench.pyz >/dev/null
	@$(STEP) 'Runner against bare Keras' $(BIN)/python tests/perf/overhead.py --zipapp build/edgebench.pyz $(PERF_ARGS)

perf-tuned: venv ## the tuned profile against paper, in turns: an hour or two (PERF_ARGS='-w imdb --turns 5')
	@$(STEP) 'Preparing this machine under .edgebench/' $(BIN)/ansible-playbook provision.yml -l local $(ANSIBLE_ARGS)
	@$(BIN)/python bench/build_zipapp.py --out build/edgebench.pyz >/dev/null
	@$(STEP) 'Tuned against paper' $(BIN)/python tests/perf/tuned.py --zipapp build/edgebench.pyz $(PERF_ARGS)

perf-kws: venv ## keyword spotting by LiteRT over the core's SGEMM peak, and over TensorFlow
	@$(STEP) 'Preparing this machine under .edgebench/' $(BIN)/ansible-playbook provision.yml -l local $(ANSIBLE_ARGS)
	@$(BIN)/python bench/build_zipapp.py --out build/edgebench.pyz >/dev/null
	@$(STEP) 'Keyword spotting against its limits' $(BIN)/python tests/perf/kws.py --zipapp build/edgebench.pyz $(PERF_KWS_ARGS)
	@$(STEP) 'Keyword spotting: the runner against a bare loop' .edgebench/venv/bin/python tests/perf/kws_bare.py --zipapp build/edgebench.pyz
	@$(STEP) 'Keyword spotting: the driving host against the device' .edgebench/venv/bin/python tests/perf/kws_device.py

perf-explain: venv ## whether explanations of the eight trainings hold on this machine
	@$(STEP) 'Preparing this machine under .edgebench/' $(BIN)/ansible-playbook provision.yml -l local $(ANSIBLE_ARGS)
	@$(BIN)/python bench/build_zipapp.py --out build/edgebench.pyz >/dev/null
	@$(STEP) 'Explanations against trainings' $(BIN)/python tests/perf/explain.py --zipapp build/edgebench.pyz $(PERF_EXPLAIN_ARGS)

audit: venv-test ## locks, licences, and advisories from a file (ADVISORIES=all.zip), without the network
	@$(STEP) 'Audit' $(BIN)/python tools/audit.py $(if $(ADVISORIES),--advisories $(ADVISORIES))

collection: venv ## build the Ansible collection edgebench.edge into build/
	@mkdir -p build
	@$(BIN)/ansible-galaxy collection build --force --output-path build

release: venv-test ## build zipapp, collection, sources, bill of materials and checksums of this commit into dist/
	@$(STEP) 'Building the release' $(BIN)/python tools/release.py

perf-telemetry: venv ## what telemetry costs a training, in pairs (PERF_TELEMETRY_ARGS='--pairs 150')
	@$(STEP) 'Preparing this machine under .edgebench/' $(BIN)/ansible-playbook provision.yml -l local $(ANSIBLE_ARGS)
	@$(BIN)/python bench/build_zipapp.py --out build/edgebench.pyz >/dev/null
	@$(STEP) 'Telemetry against none' $(BIN)/python tests/perf/telemetry.py --zipapp build/edgebench.pyz $(PERF_TELEMETRY_ARGS)

perf-page: venv-test ## the report's page of fifty hosts: its size, and how soon it can be used
	@$(STEP) 'The page of fifty hosts' env PYTHONPATH=bench:. $(BIN)/python tests/perf/page.py

perf-report: venv-test ## medians of 450,000 records against Python's standard library
	@$(STEP) 'Medians of 450,000 records' env PYTHONPATH=. $(BIN)/python tests/perf/aggregate.py $(PERF_REPORT_ARGS)

lock: venv ## resolve requirements/**/*.in into hash-locked *.txt
	@tools/lock.sh

clean: ## remove .venv and caches; records, data and .edgebench stay
	@rm -rf .venv .venv.lock .venv.log .venv.tmp .mypy_cache .pytest_cache .ruff_cache .hypothesis .ansible build dist bench/*.egg-info
	@find bench tests plugins -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
	@echo 'Removed .venv and caches. Kept: results/ and .edgebench/ (delete them by hand if you mean it).'
