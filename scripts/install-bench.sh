#!/bin/sh
# Installs the client that only the benchmark runs into .venv-bench, from requirements/bench.lock: an environment of its
# own, because of what it pins. Running it again does nothing.
set -eu
cd "$(dirname "$0")/.."

venv=.venv-bench
lock=requirements/bench.lock
stamp=$venv/.lock.sha256
want=$(sha256sum "$lock" | cut -d' ' -f1)

if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi

echo "install-bench: making $venv" >&2
rm -rf "$venv"
.venv/bin/uv venv -q --python .venv/bin/python "$venv"
# A package without wheels is built with what build.lock names, not in isolation, which would fetch whatever is newest.
.venv/bin/uv pip install -q --python "$venv/bin/python" --require-hashes -r requirements/build.lock
.venv/bin/uv pip install -q --python "$venv/bin/python" --require-hashes --no-build-isolation -r "$lock"
echo "$want" >"$stamp"
