# The front door. `make help` lists what there is; everything runs in this project's own virtual environment, made from
# hashed requirements on first use. All that is needed beforehand: a Python from 3.11 on, git, make.

.DEFAULT_GOAL := help
SHELL := /bin/sh

VERSION ?= 2.1.0
PORT ?= 8080
JOBS ?=
MOMENTS ?= 200
REQUESTS ?= 100000
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	command -v $$p >/dev/null 2>&1 && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v $$p; break; }; done)

venv := .venv
bin := $(venv)/bin
ready := $(venv)/ready
certified := $(bin)/certified
jobs := $(if $(JOBS),--jobs $(JOBS))
figures := build/coverage
docs := .venv-docs

.PHONY: help release release-all build constraints wheelhouse publish serve prove test test-unit test-integration \
	test-all test-airflow thorough regenerate coverage docs certify certify-all check format releases-page bench bench-index torture-index fuzz-index image image-certify image-all system-packages lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "Variables: VERSION=$(VERSION) PORT=$(PORT) JOBS=(cores) PYTHON=$(PYTHON)"

# pip writes into the folder, the stamp comes last: an interrupted installation is simply done again.
$(ready): requirements/dev.txt setup.cfg pyproject.toml
	@test -n "$(PYTHON)" || { echo "make: no Python from 3.11 on was found; install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "making $(venv) with $(PYTHON)" >&2
	@$(PYTHON) -m venv --clear $(venv)
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/dev.txt
	@$(bin)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
	@touch $(ready)

release: $(ready) ## make, publish, install, run and prove VERSION
	@$(certified) release $(VERSION) $(jobs)

release-all: $(ready) ## the same for every release, several at once
	@$(certified) release --all $(jobs)

build: $(ready) ## make the patched wheels and the certified wheel of VERSION
	@$(certified) build $(VERSION) $(jobs)

constraints: $(ready) ## resolve VERSION anew as of its cutoff date
	@$(certified) constraints $(VERSION) $(jobs)

wheelhouse: $(ready) ## make the wheels that upstream lacks
	@$(certified) wheelhouse $(VERSION) $(jobs)

publish: $(ready) ## make VERSION and publish it to the local index
	@$(certified) publish $(VERSION) $(jobs)

bench-index: $(ready) ## the index and its peers under wrk, needs wrk and nginx (long)
	@$(bin)/python scripts/bench_index.py --peers
	@$(bin)/python scripts/bench_index.py --alone --files 2000 200000

torture-index: $(ready) ## kill -9 the index at MOMENTS random moments of uploads
	@$(bin)/python tests/integration/torture.py $(MOMENTS)

fuzz-index: $(ready) ## send the index REQUESTS malformed requests
	@$(bin)/python tests/integration/fuzz.py $(REQUESTS)

serve: $(ready) ## serve the local index on 127.0.0.1:PORT
	@$(certified) serve --port $(PORT)

prove: $(ready) ## run the proofs of VERSION on upstream and on the patched wheel
	@$(certified) prove $(VERSION) $(jobs)

# How many tests at once, tests/conftest.py says. Neighbours stay together until somebody is
# idle: many share what was made for a module.
pytest := $(bin)/pytest -q -n auto --dist worksteal

test: $(ready) ## unit and integration tests, minutes
	@$(pytest) -m 'not every_release and not thorough' tests/integration tests/unit

test-unit: $(ready) ## unit tests, a minute
	@$(pytest) tests/unit

test-integration: $(ready) ## integration tests: real pip, twine, servers, kill -9
	@$(pytest) -m 'not every_release and not thorough' tests/integration

test-all: test thorough regenerate ## those, faults at more moments and places, and the constraints of all releases regenerated

thorough: $(ready) ## the faults of the integration tests at more moments and places
	@$(pytest) -m thorough tests/integration

regenerate: $(ready) ## resolve every other release anew and compare with its constraints (long)
	@$(pytest) -m every_release tests/integration

# Each process that a test starts leaves its own figures, which are added up when all have ended.
coverage: $(ready) ## what test runs, with the share of lines and branches that it runs
	@rm -rf $(figures) && mkdir -p $(figures)
	@COVERAGE_PROCESS_START=$(CURDIR)/pyproject.toml COVERAGE_FILE=$(CURDIR)/$(figures)/.coverage $(MAKE) test
	@$(bin)/coverage combine --quiet $(figures)
	@echo "share of lines and branches that unit and integration tests run (the goal is 90 %):"
	@$(bin)/coverage report --format=total

$(docs)/ready: requirements/docs.txt
	@test -n "$(PYTHON)" || { echo "make: no Python from 3.11 on was found; name one: make docs PYTHON=/path/to/python3.11" >&2; exit 1; }
	@echo "making $(docs) with $(PYTHON)" >&2
	@$(PYTHON) -m venv --clear $(docs)
	@$(docs)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements/docs.txt
	@touch $@

# Not --quiet: with it mkdocs counts no warnings, and --strict holds nothing.
docs: $(docs)/ready ## the documentation as a site, in site/; links that lead nowhere are errors
	@NO_MKDOCS_2_WARNING=1 $(docs)/bin/mkdocs build --strict
	@echo site/index.html

image: $(ready) ## the image of VERSION, and its onbuild variant, with docker, podman or buildah
	@$(certified) build $(VERSION) $(jobs) > /dev/null
	@$(certified) wheelhouse $(VERSION) $(jobs) > /dev/null
	@$(certified) image build $(VERSION)

image-certify: $(ready) ## the image of VERSION made, run, pushed and pulled; its certificate is kept in certificates/ (long)
	@$(bin)/python scripts/certify_images.py $(VERSION)

image-all: $(ready) ## the same for every release (very long)
	@$(bin)/python scripts/certify_images.py

# The wheels that all of them need are made before they start, or each would make them. What is left waits for servers
# half of its time: two files at once, as what a file shares, a release or an image, is dear.
test-airflow: $(ready) ## real Airflow: 2.1.0 released and in operation, its image, every documented command (long)
	@$(certified) wheelhouse 2.1.0 $(jobs) > /dev/null
	@$(bin)/pytest -q -n 2 --dist loadfile tests/certification

certify: $(ready) ## VERSION complete and in operation, its certificate kept in certificates/ (long)
	@scripts/certify $(certified) $(VERSION) $(jobs)

certify-all: $(ready) ## the same for every release (very long)
	@scripts/certify $(certified) --all $(jobs)

releases-page: $(ready) ## write the generated pages of docs/ and the schema of certificates anew
	@$(certified) releases > docs/releases.md
	@$(certified) patch list --page > docs/carry-matrix.md
	@$(certified) patch list --ledger > docs/ledger.md
	@$(certified) audit --page > docs/dependencies.md
	@$(certified) releases --notices > docs/upgrading.md
	@$(bin)/python -c "from astronomer_certified.certify import certificate; print(certificate.schema(), end=str())" > docs/certificate.schema.json

check: $(ready) ## ruff, mypy --strict, the layers, manifests, series and patches
	@$(bin)/ruff check src tests scripts
	@$(bin)/ruff format --check src tests scripts
	@$(bin)/mypy
	@$(bin)/lint-imports --no-logo --no-cache
	@$(certified) check
	@$(certified) patch lint

format: $(ready) ## let ruff format the sources
	@$(bin)/ruff check --fix src tests scripts
	@$(bin)/ruff format src tests scripts

bench: $(ready) ## the figures of docs/benchmarks.md
	@$(bin)/python scripts/bench.py
	@$(bin)/python scripts/bench_workbench.py

# Releases need none of them. Tests compile, talk to real servers, look at pages in a browser, serve the export of an index
# with another web server, ask systemd what it thinks of the units that the payload writes, and make images, run them and
# push them to a registry of their own.
system-packages: ## install what tests and images need, on Debian and as root
	@scripts/install-system-packages chromium nginx-light systemd buildah mmdebstrap podman runc netavark aardvark-dns iptables \
		skopeo docker-registry mariadb-server-core mariadb-client-core postgresql redis-server slapd krb5-kdc krb5-admin-server openssl

lock: $(ready) ## resolve requirements/dev.txt anew
	@$(bin)/python scripts/lock.py

clean: ## remove what was made here (not the index)
	rm -rf build dist site $(venv) $(docs)
