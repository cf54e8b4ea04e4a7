# make install, make demo, make test: each works on a bare clone with Python 3.11 or newer, pip, make and git.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
MODELS_INSTALLED := $(VENV)/.models-installed
VLLM_VENV := .venv-vllm
VLLM_INSTALLED := $(VLLM_VENV)/.installed
# Two workers; a file's tests share one, and with it the servers that the file starts.
PYTEST_ARGS ?= -n 2 --dist loadfile

# Nothing that a target starts phones home or looks for a model hub.
export LITELLM_LOCAL_MODEL_COST_MAP := True
export STREAMLIT_BROWSER_GATHER_USAGE_STATS := false
export HF_HUB_OFFLINE := 1
export HF_HUB_DISABLE_TELEMETRY := 1
export VLLM_NO_USAGE_STATS := 1
export RAY_USAGE_STATS_ENABLED := 0
export DO_NOT_TRACK := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help install models demo test vllm test-vllm lint fmt system-packages clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## */\t/' | expand -t 18

install: $(INSTALLED)  ## make .venv (PYTHON=python3.12 chooses another Python) and install into it, tools for development included

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 install")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "no venv module: apt-get install python3-venv"; exit 1; }
	@# Uncompiled: saves a quarter of the time, and Python compiles what is used when it is first used.
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]' --constraint constraints.txt
	@touch $@

models: $(MODELS_INSTALLED)  ## add to .venv what models in this process, a pool over Ray and the text judge need: torch, diffusers, ray, rapidocr

# Where pip finds a torch for GPUs that is not wanted: PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu make models
$(MODELS_INSTALLED): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[local,ray,ocr]' --constraint constraints.txt
	@touch $@

demo: install  ## optimize a system prompt in the embedded world: no GPU, no key, no network
	$(BIN)/phoropter optimize --profile embedded --images 1500 --seed 1 --home phoropter-data

test: models system-packages lint  ## everything that CI checks
	$(BIN)/python -m pytest $(PYTEST_ARGS)

vllm: $(VLLM_INSTALLED)

test-vllm: install vllm  ## a real vLLM on a tiny GPT-OSS, without a GPU: about five minutes
	TEST_VLLM=$(VLLM_VENV)/bin/python $(BIN)/python -m pytest $(PYTEST_ARGS) tests/vllm

$(VLLM_INSTALLED): constraints-vllm.txt scripts/vllm-environment.sh
	scripts/vllm-environment.sh $(VLLM_VENV) $(PYTHON)
	@touch $@

lint: install  ## style, types, direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

fmt: install  ## fix what can be fixed mechanically
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

system-packages:
	@scripts/system-packages.sh

clean:  ## remove the environment, builds and caches; phoropter-data stays
	rm -rf $(VENV) $(VLLM_VENV) .cache build dist *.egg-info .pytest_cache .hypothesis .ruff_cache .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
