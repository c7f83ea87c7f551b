#!/bin/sh
# Installs the S3 server of the contract tests (OpenStack Swift) into .venv-swift, from requirements/swift.lock.
# An environment of its own: Swift patches the standard library through eventlet. Running it again does nothing.
set -eu
cd "$(dirname "$0")/.."

venv=.venv-swift
lock=requirements/swift.lock
stamp=$venv/.lock.sha256
want=$(sha256sum "$lock" | cut -d' ' -f1)

if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; then
    exit 0
fi

fail() {
    echo "install-swift: $1" >&2
    exit 1
}

# as_root COMMAND...: with sudo when we are not root, and without ever asking for a password.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

# apt PACKAGE...: the packages, or a message that says what to do by hand.
apt() {
    command -v apt-get >/dev/null || fail "needs the packages '$*', and this is no Debian or Ubuntu: install them by hand"
    echo "install-swift: installing $*" >&2
    as_root env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get install -y -q --no-install-recommends "$@" || { apt-get update -q && apt-get install -y -q --no-install-recommends "$@"; }' \
        sh "$@" >&2 || fail "cannot install '$*': run 'apt-get install $*' as root, then this script again"
}

python=${PYTHON:-}
for candidate in .venv/bin/python python3.11 python3.12 python3.13 python3; do
    [ -n "$python" ] && break
    command -v "$candidate" >/dev/null && python=$candidate
done
[ -n "$python" ] || fail "no Python found: install python3.11, or set PYTHON"

echo "install-swift: making $venv" >&2
rm -rf "$venv"
if [ -x .venv/bin/uv ]; then
    # uv asks no ensurepip of the machine and is quick; make puts it into .venv.
    .venv/bin/uv venv -q --python "$python" "$venv"
    install() { .venv/bin/uv pip install -q --python "$venv/bin/python" --require-hashes -r "$lock"; }
else
    "$python" -c 'import ensurepip' 2>/dev/null || apt python3-venv
    "$python" -m venv "$venv"
    install() { "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes -r "$lock"; }
fi
if ! install; then
    # Where there are no ready-made wheels for this machine, they are built.
    apt gcc libc6-dev python3-dev libffi-dev liberasurecode-dev
    install || fail "cannot install $lock (see above)"
fi

if ! "$venv/bin/python" -c 'import pyeclib.ec_iface' 2>/dev/null; then
    apt liberasurecode1
fi
"$venv/bin/python" -c 'import pyeclib.ec_iface, swift.proxy.server, swift.common.middleware.s3api.s3api' ||
    fail "Swift is installed but does not import (see above)"
echo "$want" >"$stamp"
