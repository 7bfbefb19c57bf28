# Two commands do all set-up: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find src -type f -not -path '*/__pycache__/*' -not -path '*/web/ohif/*') pyproject.toml
# What the benchmarks run beside us.
PEERS := dicognito dicom-anonymizer deid nnunetv2 monai torchio
PEER_dicognito := dicognito==0.19.0
PEER_dicom-anonymizer := dicom-anonymizer==2.1.0
PEER_deid := deid==0.4.13
PEER_nnunetv2 := nnunetv2==2.8.1
PEER_monai := 'monai[nibabel,itk,fire,ignite]==1.6.1' 'dynamic-network-architectures>=0.4'
PEER_torchio := torchio==1.2.1
# Tests that measure time or memory, or start whole systems: one at a time. The others share the cores.
ALONE := tests/serve/test_resident.py tests/app tests/engines tests/intake \
  tests/web/test_browser.py tests/web/test_hostile_requests.py tests/web/test_server.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test check quick docs bench gates install install-tests system-packages clean

help:  ## Show this list.
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/' | expand -t 20

demo: $(VENV)/installed  ## Install, then run the whole road on phantoms (about 10 minutes on 2 cores).
	$(BIN)/sightline --data-dir demo-data demo

test: install-tests check  ## Install, check the code, then run every test (gates at a tenth of their size).
	$(BIN)/pytest -m "not gate" --numprocesses 2 --dist loadfile --max-worker-restart 0 $(ALONE:%=--ignore=%)
	$(BIN)/pytest -m "not gate" $(ALONE)

quick: install-tests  ## Run the tests that take seconds.
	$(BIN)/pytest -m "not slow and not gate"

check: install-tests  ## Lint, types, layers and docs.
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/make_reference.py --check

docs: install-tests  ## Write the generated pages of docs/reference.
	$(BIN)/python tools/make_reference.py

bench: install-tests $(PEERS:%=.peers/%/installed)  ## Run every benchmark; each prints one JSON line a claim.
	@for file in benchmarks/bench_*.py; do $(BIN)/python $$file || exit 1; done

gates: install-tests  ## Run the gates at full size (hours).
	$(BIN)/pytest -m gate

install: $(VENV)/installed  ## Install Sightline with its learning stack into .venv.

install-tests: $(VENV)/installed-tests .peers/s3/installed system-packages

$(VENV)/bin/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "Sightline needs Python 3.11: apt-get install python3.11-venv, or make PYTHON=/path/to/python"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1' build

src/sightline/web/ohif/index.html: tools/fetch_ohif.py
	$(PYTHON) tools/fetch_ohif.py || echo "The OHIF viewer could not be fetched; everything else works."

$(VENV)/installed: $(VENV)/bin/python src/sightline/web/ohif/index.html constraints.txt $(SOURCES)
	rm -rf dist
	$(BIN)/python -m build --quiet --wheel
	$(BIN)/pip install --quiet --constraint constraints.txt "$$(ls dist/*.whl)[learn]"
	$(BIN)/pip install --quiet --force-reinstall --no-deps dist/*.whl
	@# There is no CPU build of torchvision; a CUDA one that cannot load would break imports.
	@$(BIN)/python -c "import torch, sys; sys.exit(torch.cuda.is_available())" && \
	  $(BIN)/pip uninstall --quiet --yes torchvision 2>/dev/null || true
	touch $@

$(VENV)/installed-tests: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --group dev
	touch $@

# A server that speaks S3, apart: its dependencies are none of ours.
.peers/s3/installed:
	$(PYTHON) -m venv .peers/s3
	.peers/s3/bin/pip install --quiet 'moto[s3]==5.2.5' flask flask-cors && touch $@ || \
	  echo "No server that speaks S3 could be installed; its tests will be skipped."

# Each peer apart as well. Their torch is the CPU build, which has no torchvision (see above).
$(PEERS:%=.peers/%/installed): .peers/%/installed:
	$(PYTHON) -m venv .peers/$*
	.peers/$*/bin/pip install --quiet --constraint constraints.txt $(PEER_$*) && \
	  { .peers/$*/bin/pip uninstall --quiet --yes torchvision 2>/dev/null || true; } && touch $@ || \
	  echo "$* could not be installed; the benchmarks run without it."

system-packages:
	@sh tools/system_packages.sh

clean:  ## Remove what was built, not what was stored.
	rm -rf dist build $(VENV) .mypy_cache .ruff_cache .pytest_cache
