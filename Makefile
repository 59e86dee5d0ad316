# Commands for readers and developers: `make help`. Each makes the environment first, if it is missing.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python
# The environment is complete when its stamp bears the hash of the lock it was made from.
LOCKED := $(shell $(PYTHON) -c "import hashlib; print(hashlib.sha256(open('requirements.lock', 'rb').read()).hexdigest())")
STAMP  := $(VENV)/made-from-$(LOCKED)
ARGS   ?=

.PHONY: help paper smoke test lab bench lint lock sync readme clean-data environment

help:                        ## these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-12s%s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

paper: environment           ## every table and figure, profile quick (ARGS="--only 05 --publish" and so on)
	$(PY) run_all.py $(ARGS)

smoke: environment           ## the whole paper on tiny data (minutes): a test that it runs; its numbers mean nothing
	$(PY) run_all.py --profile smoke $(ARGS)

test: environment            ## the test suite, with a smoke run of the paper
	$(PY) -m pytest $(ARGS)

lab: environment             ## the notebooks in JupyterLab
	$(PY) -m jupyterlab $(ARGS) notebooks

bench: environment           ## time and memory of the methods, as tables
	for script in benchmarks/*.py; do $(PY) $$script || exit 1; done

lint: environment            ## code style
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

lock:                        ## new versions of everything (needs uv)
	uv pip compile pyproject.toml --extra test --extra cluster --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-annotate --upgrade -o requirements.lock

sync: environment            ## bring the code of the executed twins up to the sources
	$(PY) -m xiqa.runner.twins

readme: environment          ## the README's numbers from figures/quick
	$(PY) -m xiqa.paper.readme

clean-data: environment      ## list and remove embedded data that no profile uses
	$(PY) -m xiqa.synthetic --clean

environment: $(STAMP)

$(STAMP):
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	  { echo "xiqa needs Python 3.11 or newer; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Making the environment in $(VENV) from requirements.lock (about 6 GB, once)"
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@
