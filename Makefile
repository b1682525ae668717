.PHONY: demo test setup lint lock clean

demo: setup          ## the whole story on a real Asterisk pair (without root: on the built-in simulator)
	contrib/setup/demo

test: setup lint     ## set everything up and pass the tests
	contrib/setup/test

setup: .venv/.locked

.venv/.locked: requirements.lock pyproject.toml
	contrib/setup/venv

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

lock:                ## the newest versions that pyproject.toml allows, into requirements.lock
	contrib/setup/lock
