#!/usr/bin/env bash
# Resolves the dependencies of pyproject.toml into requirements/*.lock, for all platforms and with hashes.
# Pins that still fit are kept; `scripts/lock.sh --upgrade` takes the newest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

compile() {
  local lock=$1
  shift
  .venv/bin/uv pip compile --quiet --universal --generate-hashes --no-header --output-file "requirements/$lock.lock" "$@"
}

compile dev pyproject.toml --extra mtproto --extra media --extra parquet --group dev "$@"
# One version of a package everywhere: the others follow dev.lock.
compile runtime pyproject.toml --extra mtproto --constraints requirements/dev.lock "$@"
compile build --group build --constraints requirements/dev.lock "$@"
compile installer --group installer "$@"
compile swift requirements/swift.in --python-version 3.11 "$@"
compile bench requirements/bench.in --python-version 3.11 "$@"
