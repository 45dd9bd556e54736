# `make demo` and `make test` are all that a fresh Debian with Python 3.11 needs.
# Versions come from constraints.txt; what is installed is installed again only when
# pyproject.toml or constraints.txt changes.

SHELL := /bin/bash
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
RUN := $(VENV)/bin/python -m
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
APT := $(SUDO) env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends

# A virtual display, and what Qt and the canvas load at run time.
DISPLAY_PACKAGES := xvfb xauth x11-utils libegl1 libgl1 libgl1-mesa-dri libxkbcommon-x11-0 \
	libdbus-1-3 libxcb-cursor0 libxcb-icccm4 libxcb-image0 libxcb-keysyms1 libxcb-randr0 \
	libxcb-render-util0 libxcb-shape0 libxcb-xinerama0

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_ROOT_USER_ACTION := ignore

.PHONY: help demo test check bench train display

help:  ## list the commands
	@sed -n 's/^\([a-z]*\):.*##\(.*\)/  make \1\t\2/p' Makefile | expand -t 16

demo: $(VENV)/.package  ## fill the bundled photo and stack, write before/after pictures to demo/
	$(VENV)/bin/napari-inpaint demo -o demo

test: $(VENV)/.tools display  ## run every test, on a virtual display; ARGS="-k name" narrows
	xvfb-run -a -s "-screen 0 1400x900x24" $(RUN) pytest $(ARGS)

check: $(VENV)/.tools  ## lint, format, types
	$(RUN) ruff check
	$(RUN) ruff format --check
	$(RUN) mypy

bench: $(VENV)/.tools  ## measure speed
	$(RUN) pytest tests/benchmarks/bench_*.py $(ARGS)

# Keeps freed pages, and large ones: page faults cost a step on the CPU much time otherwise.
train: export GLIBC_TUNABLES := glibc.malloc.hugetlb=1:glibc.malloc.mmap_threshold=4294967296:glibc.malloc.trim_threshold=8589934592:glibc.malloc.top_pad=268435456
train: $(VENV)/.tools  ## train RECIPE=pconv-photo on the pictures in DATA=folder; goes on if stopped
	$(RUN) training.train $(RECIPE) $(if $(DATA),--data $(DATA)) --resume $(ARGS)

display:
	@if command -v dpkg-query >/dev/null; then \
		missing=$$(for name in $(DISPLAY_PACKAGES); do \
			dpkg-query -W -f '$${Status}' $$name 2>/dev/null | grep -q 'ok installed' || echo $$name; \
		done); \
		if [ -n "$$missing" ]; then \
			$(SUDO) apt-get update -q && $(APT) $$missing; \
		fi; \
	elif ! command -v xvfb-run >/dev/null; then \
		echo "The tests open windows on a virtual display: install Xvfb (xvfb-run) and Mesa." >&2; \
		exit 1; \
	fi

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer was not found." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, $$($(PYTHON) -V) was found." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ $(SUDO) apt-get update -q && $(APT) \
		$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.package: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(RUN) pip install -q --upgrade -c constraints.txt pip
	$(RUN) pip install -c constraints.txt -e .
	touch $@

$(VENV)/.tools: $(VENV)/.package
	$(RUN) pip install -c constraints.txt --group test --group check
	touch $@
