#!/usr/bin/env bash
# Makes .venv in the project's root and installs the locked packages and the project into it.
#
#   scripts/setup.sh runtime    what `teltubby` needs to run
#   scripts/setup.sh dev        that, and what tests and linters need
#
# Nothing is fetched that requirements/*.lock does not name with a hash. Which index serves it is up to the user's own
# configuration of pip and uv. Once done it costs nothing: a stamp in .venv names what was installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly wanted=${1:-dev}
readonly venv=.venv
readonly python=$venv/bin/python
readonly stamp=$venv/.installed

say() { printf 'setup: %s\n' "$*" >&2; }
fail() {
  say "$*"
  exit 1
}

case $wanted in runtime | dev) ;; *) fail "usage: $0 runtime|dev" ;; esac

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' >/dev/null 2>&1; }

find_python() {
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3.13 python3; do
    if fits "$candidate"; then
      "$candidate" -c 'import sys; print(sys.executable)'
      return
    fi
  done
  fail "no Python 3.11, 3.12 or 3.13 found (trio-asyncio does not run on 3.14 yet). Install one, for example" \
    "with 'apt-get install python3', or name it: make ${MAKECMDGOALS:-demo} PYTHON=/path/to/python3.11"
}

# Debian and Ubuntu split ensurepip, without which there is no venv, into a package of its own.
install_venv_package() {
  local version package sudo=()
  version=$("$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  package=python$version-venv
  command -v apt-get >/dev/null || fail "$1 cannot make virtual environments (it has no ensurepip): install it"
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || fail "please run as root: apt-get install $package"
    sudo=(sudo -n)
  fi
  say "installing $package"
  { "${sudo[@]}" apt-get update -qq && "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y \
    --no-install-recommends "$package"; } </dev/null >&2 || fail "could not install $package: please do it as root"
}

make_venv() {
  local base
  base=$(find_python)
  "$base" -c 'import ensurepip, venv' 2>/dev/null || install_venv_package "$base"
  say "making $venv with $base"
  "$base" -m venv --clear "$venv" || fail "could not make $venv with $base"
}

pip() { "$python" -m pip --disable-pip-version-check "$@"; }

# $@: the installer. A few packages have no wheels: they are built with what build.lock names, and not in isolation,
# which would fetch whatever is newest.
install_with() {
  "$@" --require-hashes -r requirements/build.lock &&
    "$@" --require-hashes --no-build-isolation -r "$lock" &&
    "$@" --no-deps --no-build-isolation --editable .
}

install_all() {
  local lock=requirements/$wanted.lock
  say "installing $lock"
  if pip install --quiet --require-hashes --only-binary :all: -r requirements/installer.lock; then
    install_with "$venv/bin/uv" pip install --quiet --python "$python" && return
    say "uv failed (it does not read pip's settings)"
  fi
  say "installing with pip, which takes a few minutes"
  install_with pip install --quiet || fail "could not install $lock"
}

# uv leaves byte code out, and Python may be told not to write it: then every start would compile 3 s, and a worker would
# need 80 MiB more. What cannot be compiled (templates) is nothing that is imported.
compile_all() {
  say "compiling to byte code"
  "$python" -m compileall -qq -j 0 "$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" teltubby ||
    say "not all of it: see above"
}

fits "$python" || make_venv
fingerprint=$(cat requirements/{dev,runtime,build,installer}.lock pyproject.toml "$0" | sha256sum | cut -d' ' -f1)
case "$(cat "$stamp" 2>/dev/null || true)" in
  "dev $fingerprint" | "$wanted $fingerprint") exit 0 ;;
esac
rm -f "$stamp"
# Where a home is missing, or cannot be written to, nothing is kept for the next time. Settings in it still count.
if ! [ -d "${HOME:-}" ]; then
  HOME=$(mktemp -d)
  export HOME
  trap 'rm -rf "$HOME"' EXIT
fi
mkdir -p "${XDG_CACHE_HOME:-$HOME/.cache}/uv" 2>/dev/null || export UV_NO_CACHE=1
install_all
compile_all
printf '%s %s\n' "$wanted" "$fingerprint" >"$stamp"
say "done in $SECONDS s"
