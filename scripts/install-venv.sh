#!/bin/sh
# Makes .venv-NAME, an environment of its own, from requirements/NAME.lock: scripts/install-venv.sh NAME
#
#   swift    the S3 server of the contract tests (OpenStack Swift): it patches the standard library through eventlet
#   bench    a client that only the benchmark runs: it pins an older aiofiles than ours
#
# Running it again, twice at once, or after it was interrupted, does no harm.
set -eu
cd "$(dirname "$0")/.."

fail() {
    echo "install-venv: $1" >&2
    exit 1
}

name=${1:-}
lock=requirements/$name.lock
case $name in
    swift) imports='pyeclib.ec_iface, swift.proxy.server, swift.common.middleware.s3api.s3api' ;;
    bench) imports=aiofasttelethonhelper ;;
    *) fail "usage: $0 swift|bench" ;;
esac
venv=.venv-$name
stamp=$venv/.lock.sha256
want=$(sha256sum "$lock" | cut -d' ' -f1)

is_made() { [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null || true)" = "$want" ]; }

is_made && exit 0
exec 9<"$lock"
flock 9
is_made && exit 0

python=${PYTHON:-}
for candidate in .venv/bin/python python3.11 python3.12 python3.13 python3; do
    [ -n "$python" ] && break
    command -v "$candidate" >/dev/null && python=$candidate
done
[ -n "$python" ] || fail "no Python found: install python3.11, or set PYTHON"

echo "install-venv: making $venv" >&2
rm -rf "$venv"
if [ -x .venv/bin/uv ]; then
    # uv asks no ensurepip of the machine and is quick; make puts it into .venv.
    .venv/bin/uv venv -q --python "$python" "$venv"
    pip_install() { .venv/bin/uv pip install -q --python "$venv/bin/python" --require-hashes "$@"; }
else
    "$python" -c 'import ensurepip' 2>/dev/null || scripts/install-package.sh python3-venv
    "$python" -m venv "$venv"
    pip_install() { "$venv/bin/python" -m pip install -q --disable-pip-version-check --require-hashes "$@"; }
fi
# A package without wheels is built with what build.lock names, not in isolation, which would fetch whatever is newest.
install_all() { pip_install -r requirements/build.lock && pip_install --no-build-isolation -r "$lock"; }
if ! install_all; then
    [ "$name" = swift ] || fail "cannot install $lock (see above)"
    scripts/install-package.sh gcc libc6-dev python3-dev libffi-dev liberasurecode-dev
    install_all || fail "cannot install $lock (see above)"
fi
if [ "$name" = swift ] && ! "$venv/bin/python" -c 'import pyeclib.ec_iface' 2>/dev/null; then
    scripts/install-package.sh liberasurecode1
fi
"$venv/bin/python" -c "import $imports" || fail "$venv is made, but does not import $imports (see above)"
echo "$want" >"$stamp"
