# The two commands of a fresh machine. Everything else is `.venv/bin/tox list`.
PYTHON ?= python3
WHICH := import sys; print(sys.version.split()[0], sys.base_prefix)

.DEFAULT_GOAL := help
.PHONY: help smoke test

help: ## Show this list.
	@sed -n 's/^\([a-z]*\):.*## /  make \1|/p' Makefile | tr '|' '\t'

smoke: .venv/ready ## Deploy, use, destroy and verify the whole system on this machine (about 27 s after installation).
	@test -d .tox/smoke || echo "make: installing three environments, once" >&2
	@.venv/bin/tox run -qq -m smoke -- $(ARGS)

test: .venv/ready ## Every other check: lint and types, then every test suite and the sabotage (about 27 minutes).
	@echo "make: two suites at a time; each says how it ended, and shows its output if it failed" >&2
	@.venv/bin/tox run -qq -e handlers,ministack --notest
	@.venv/bin/tox run-parallel -p 2 --parallel-no-spinner -m test

# It holds what it was made with. An interpreter that is named, and is another, makes it anew.
ifneq ($(origin PYTHON),file)
ifneq ($(shell "$(PYTHON)" -c '$(WHICH)' 2>/dev/null),$(shell cat .venv/ready 2>/dev/null))
.PHONY: .venv/ready
endif
endif

.venv/ready: requirements/tox.txt
	@command -v "$(PYTHON)" >/dev/null || { echo "make: no '$(PYTHON)' found; install Python 3.11 or newer, or name one: make PYTHON=/path/to/python3.12 ..." >&2; exit 2; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "make: $$("$(PYTHON)" --version) is too old; 3.11 or newer is needed: make PYTHON=/path/to/python3.12 ..." >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip' 2>/dev/null || { echo "make: this Python has no venv module; on Debian: apt-get install python3-venv" >&2; exit 2; }
	@test ! -e $@ || echo "make: making .venv anew: Python $$("$(PYTHON)" -c '$(WHICH)') in place of $$(cat $@)" >&2
	@rm -rf .venv && "$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tox.txt
	@"$(PYTHON)" -c '$(WHICH)' >$@
