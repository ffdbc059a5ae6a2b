#!/usr/bin/env bash
# Resolves pyproject.toml into requirements/*.txt: exact versions with hashes, one file for every
# supported Python. Runtime is resolved first and constrains the others, so all three agree.
set -euo pipefail
cd "$(dirname "$0")/.."

uv=(uv)
command -v uv >/dev/null || { .venv/bin/python -m pip install --quiet uv; uv=(.venv/bin/uv); }

compile() { # compile OUTPUT ARGS...
  local output=$1
  shift
  "${uv[@]}" pip compile --quiet --python-version 3.11 --universal --fork-strategy fewest \
    --generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
    --custom-compile-command "make lock" --output-file "$output" "$@"
}

compile requirements/runtime.txt --extra embedded --extra speed pyproject.toml
compile requirements/build.txt --constraints requirements/runtime.txt --group build
compile requirements/demo.txt --group demo
compile requirements/dev.txt --constraints requirements/runtime.txt \
  --extra embedded --extra speed --group build --group dev pyproject.toml
