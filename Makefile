# Two commands for newcomers: `make run` and `make test`. Both build their own environment first.
PYTHON ?= python3
VENV   ?= .venv
DEV    ?= .venv-dev
BENCH  ?= .venv-bench
INTEROP ?= .venv-interop
FUZZ   ?= .venv-fuzz
COVERAGE ?= .coverage.json
COVERED := tests/codec tests/security tests/association tests/link tests/apdu tests/explain tests/client tests/device tests/pushes tests/io tests/test_tolerances.py
PIP_FLAGS := --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: run tour test lint unit docs coverage bench soak interop fuzz clean

run: $(VENV)/.installed            ## a neighbourhood is read through a head-end, and both stand on one page: open the address it prints
	$(VENV)/bin/cosem demo $(DEMO)

tour: $(VENV)/.installed           ## a meter lives through a month, is read with authenticated encryption, and pushes are explained
	$(VENV)/bin/cosem tour

test: lint unit                    ## lint, types, layers and every test

lint: $(DEV)/.installed
	$(DEV)/bin/ruff check .
	$(DEV)/bin/ruff format --check .
	$(DEV)/bin/mypy
	$(DEV)/bin/lint-imports --no-logo

unit: $(DEV)/.installed
	$(DEV)/bin/pytest -n 2

coverage: $(DEV)/.installed        ## lines and branches of four rooms that the tests reach; fails under 98 % of either
	$(DEV)/bin/pytest -n 2 $(COVERED) --cov=cosem --cov-branch --cov-report=json:$(COVERAGE) --cov-report=
	$(DEV)/bin/python tests/support/coverage_table.py $(COVERAGE) 98 codec security association link

docs: $(DEV)/.installed            ## the reference pages of the interface classes, from their declarations
	$(DEV)/bin/python docs/make_classes.py

bench: $(BENCH)/.installed         ## speed as ratios against public peers, measured in one run
	$(BENCH)/bin/python -m bench

soak: $(DEV)/.installed            ## a head-end killed a hundred times at random moments: about ten minutes, not part of `make test`
	$(DEV)/bin/python tests/soak/kills.py

interop: $(INTEROP)/.installed     ## foreign clients and servers against ours, over sockets of this machine, as one matrix
	$(INTEROP)/bin/python -m pytest -c interop/pytest.ini interop

fuzz: $(FUZZ)/.installed           ## the head-end's API, really served, asked by schemathesis by its own OpenAPI document: about four minutes
	$(FUZZ)/bin/python -m fuzz

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install $(PIP_FLAGS) --editable '.[headend]'
	touch $@

$(DEV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DEV)
	$(DEV)/bin/pip install $(PIP_FLAGS) --editable '.[columns,dev,headend]'
	$(DEV)/bin/pip install $(PIP_FLAGS) --only-binary :all: pyaga8 || echo "pyaga8 has no wheel for this machine: tests against it skip"
	touch $@

$(BENCH)/.installed: pyproject.toml constraints.txt bench/peers.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/pip install $(PIP_FLAGS) --editable '.[columns,headend]'
	$(BENCH)/bin/pip install --quiet --disable-pip-version-check --requirement bench/peers.txt
	touch $@

$(INTEROP)/.installed: pyproject.toml constraints.txt interop/peers.txt
	$(PYTHON) -m venv $(INTEROP)
	$(INTEROP)/bin/pip install $(PIP_FLAGS) --editable .
	$(INTEROP)/bin/pip install --quiet --disable-pip-version-check --requirement interop/peers.txt
	touch $@

$(FUZZ)/.installed: pyproject.toml constraints.txt fuzz/peers.txt
	$(PYTHON) -m venv $(FUZZ)
	$(FUZZ)/bin/pip install $(PIP_FLAGS) --editable '.[headend]'
	$(FUZZ)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement fuzz/peers.txt
	touch $@

clean:
	rm -rf $(VENV) $(DEV) $(BENCH) $(INTEROP) $(FUZZ) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage $(COVERAGE)
