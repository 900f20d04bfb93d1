# Thin: every line is a command that anyone can type (with .venv/bin on the PATH).
PYTHON ?= python3
BENCHMARK ?= waterbirds
SEEDS ?= 0
SNAKEMAKE = snakemake --cores all --quiet rules progress host reason
BUILD = jupyter-book build book --config _config.yml --toc _toc.yml -W -n --keep-going
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: book publish results methods paper html lab links lint test test-slow mutants lock clean

book: .venv/installed  ## compute what runs/ lacks and build the book of it; nothing in the repository is rewritten
	$(SNAKEMAKE) -- book

publish: .venv/installed  ## bring the run's pages to book/ and its numbers to README.md
	$(SNAKEMAKE) -- publish

results: .venv/installed  ## run the study again (five seeds, all arms) and write results/; goes on where it stopped
	$(SNAKEMAKE) -- study_results

methods: .venv/installed  ## tune and train the compared methods (five seeds) and write results/; goes on where it stopped
	$(SNAKEMAKE) -- methods_results

paper: .venv/installed  ## the paper's experiment: make paper BENCHMARK=waterbirds SEEDS=0,1,2 CONFIG="memory=40 shards=4"
	$(SNAKEMAKE) --config benchmark=$(BENCHMARK) seeds=$(SEEDS) $(CONFIG) -- paper

html: .venv/installed  ## build the book from the committed chapters, computing nothing
	$(BUILD)

lab: .venv/installed  ## open the notebooks in JupyterLab
	jupyter lab notebooks

links: .venv/installed  ## ask every external link of the pages whether it still leads somewhere
	$(BUILD) --builder linkcheck

lint: .venv/installed  ## what needs no run: style, layout, types, spelling
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow/*.smk
	mypy
	codespell

test: lint  ## lint, unit tests, the whole product on tiny parameters, the book's build
	python -m pytest -n 2 --dist loadfile

test-slow: .venv/installed  ## every stage at true size, with random weights, on the CPU: half an hour and 24 GB
	python -m pytest -m slow

mutants: .venv/installed  ## plant faults in the method, one at a time, and count what its tests see: hours, or MODULES=metrics
	python tests/mutants.py $(MODULES)

lock:  ## pin what pyproject.toml asks for; needs uv
	uv pip compile pyproject.toml --extra book --extra test --universal --python-version 3.11 \
		--generate-hashes --no-strip-extras --no-header --output-file requirements.lock

clean:  ## forget the drawn worlds' runs and the builds; other benchmarks' runs and the environment stay
	rm -rf runs/mini-waterbirds runs/mini-celeba runs/mini-metashift .snakemake _build book/_build book/_generated

.venv/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("dbb needs Python 3.11 or newer, and $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	@.venv/bin/python workflow/install.py requirements.lock
	.venv/bin/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@mkdir -p .venv/etc/ipython && cp workflow/ipython_kernel_config.json .venv/etc/ipython/  # kernels warn of TCP
	touch $@
