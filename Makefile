# Postroom: `make run` sets up and starts it; `make test` shows that it works. Needs python3 (3.11 or later, with venv), git, make.

PYTHON ?= python3
JOBS ?= 2
# Of tests that wait, for mail servers and for processes, a third of their time.
WAITERS ?= 3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
UV := $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-emit-index-url --no-emit-find-links --python-version 3.11

# The tests start some hundred processes; without their bytecode each compiles all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: help run setup packages test check figures quick postgresql faults interop browser crash words lock clean pages-load bench soak

help: ## list what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 12

run: $(VENV)/installed-run ## start Postroom, setting up first what is missing; ARGS="--port 8099 --data DIR"
	@exec $(BIN)/postroom run $(ARGS)

setup: $(VENV)/installed-dev ## make .venv with everything that running, testing and changing Postroom needs

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Postroom needs Python 3.11 or later: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)

# Both install from hashed locks only; the project itself is linked in place, built without reaching for anything else.
$(VENV)/installed-run: requirements/run.txt requirements/build.txt pyproject.toml | $(BIN)/python
	@echo "Installing Postroom into $(VENV) …"
	$(PIP) install --require-hashes -r requirements/run.txt -r requirements/build.txt
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/installed-dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing Postroom and what its tests need into $(VENV) …"
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --no-deps --no-build-isolation --no-index -e .
	@touch $@ $(VENV)/installed-run

packages: ## install the Debian packages that tests need, where this user may
	@.ci/packages

test: setup packages check quick postgresql faults interop browser crash ## everything: checks, quick tests, servers at fault, real mail servers, real browser, real kills

check: setup ## style, types, layers and house limits, with figures
	$(BIN)/ruff check src tests bench
	POSTROOM_DATA=$$(mktemp -d) $(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m tests.house.figures
	$(PYTEST) tests/house -q

# A worker takes its share of the files and later what another has left: what a file starts is started once.
quick: setup ## the tests that need nothing but Python, but for those of `check`
	$(PYTEST) -q -n $(WAITERS) --dist worksteal -m "not interop and not browser and not crash" --ignore=tests/house

ON_POSTGRESQL := $(addprefix tests/api/test_,messages.py subscriptions.py recipients.py bounces.py webhooks.py alerts.py templates.py) \
	tests/intake tests/store/test_message_list.py tests/store/test_event_triggers.py \
	tests/flow/webhooks/test_webhook_history.py \
	$(addprefix tests/pages/test_,messages.py overview.py smtp_servers.py users.py storage_and_audit.py queue.py) \
	$(addprefix tests/flow/,acceptance/test_accept.py acceptance/test_resend.py instance/test_retain_messages.py \
		servers/test_server_order.py servers/test_server_pause.py delivery/test_sample_queue.py)

postgresql: setup ## what reads and writes the database most, once more on a private PostgreSQL in place of SQLite
	TEST_DATABASE=postgresql $(PYTEST) -q -n $(JOBS) --dist worksteal $(ON_POSTGRESQL)

faults: setup ## diagnose every server at fault of tests/faults, and count the causes named
	@POSTROOM_DATA=$$(mktemp -d) $(BIN)/python -m tests.faults

interop: setup ## mail to and from real Postfix and Dovecot, run privately from Debian's packages
	$(PYTEST) -q -n $(WAITERS) -m "interop and not browser" tests/interop tests/bench

browser: setup ## the pages in a real headless Chromium
	$(PYTEST) -q -n $(JOBS) --dist loadfile -m browser tests/browser

crash: setup ## kill real processes and count what became of every message
	$(PYTEST) -q -n $(JOBS) --dist loadfile -m crash tests/crash tests/submission

words: setup ## collect the texts of pages and refusals, and compile their French; needs the Debian package gettext
	@$(BIN)/python -m tests.house.translations

pages-load: setup ## measure each page with 1,000 and with 100,000 messages; fails where the latter takes twice as long
	$(BIN)/python -m tests.load.pages

bench: setup ## measure side by side with what others use, on a quiet machine: PART=a,c2 ROUNDS=1 SHARE=0.1 CPU=1 POSTGRESQL=1
	@$(BIN)/python -m bench $(if $(PART),--part $(PART)) $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(SHARE),--share $(SHARE)) \
		$(if $(CPU),--cpu-only) $(if $(POSTGRESQL),--postgresql) $(if $(PART)$(SHARE)$(CPU)$(POSTGRESQL),,--with-postgresql --write)

soak: setup ## half an hour at half load: fails where memory or descriptors of a process grow; MINUTES=30
	@$(BIN)/python -m bench.soak $(if $(MINUTES),--minutes $(MINUTES))

lock: setup ## compile the hashed locks anew from pyproject.toml, with the newest versions
	$(UV) --upgrade --group dev pyproject.toml -o requirements/dev.txt
	$(UV) -c requirements/dev.txt --group build -o requirements/build.txt
	$(UV) -c requirements/dev.txt pyproject.toml -o requirements/run.txt

clean: ## remove .venv, unpacked mail servers and caches, never data
	rm -rf $(VENV) .peers .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
