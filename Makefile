# Each target works alone on a fresh machine with Python >= 3.11 and make.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test install-cluster test-cluster lint types docs bench install

install:
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@cat pyproject.toml constraints.txt | cmp -s - $(VENV)/installed || { \
	  $(BIN)/python -m pip install -q -c constraints.txt -e ".[dev,formats]" && \
	  cat pyproject.toml constraints.txt > $(VENV)/installed && pwd > $(VENV)/checkout; }
	@test "$$(cat $(VENV)/checkout 2>/dev/null)" = "$$(pwd)" || { \
	  $(BIN)/python -m pip install -q --no-deps --no-build-isolation -e . && pwd > $(VENV)/checkout; }

demo: install
	HF_HUB_OFFLINE=1 $(BIN)/prom3e-index demo demo

test: install
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile

install-cluster: install
	@cmp -s $(VENV)/installed $(VENV)/cluster || { \
	  $(BIN)/python -m pip install -q -c constraints.txt -e ".[dev,formats,ray,milvus,cluster]" && cp $(VENV)/installed $(VENV)/cluster; }
	@test -x $(VENV)/s3/bin/moto_server || { $(PYTHON) -m venv $(VENV)/s3 && $(VENV)/s3/bin/python -m pip install -q "moto[server]==5.2.*"; } \
	  || echo "moto could not be installed: tests with a bucket are skipped."

test-cluster: install-cluster
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 MOTO_SERVER=$(VENV)/s3/bin/moto_server $(BIN)/python -m pytest -m cluster -n 2 --dist loadfile

lint: install
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

docs: install
	$(BIN)/python -m prom3e_index.cli.reference docs

bench: install
	HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/throughput.py && HF_HUB_OFFLINE=1 $(BIN)/python benchmarks/memory.py && $(BIN)/python benchmarks/train_speed.py
