#!/bin/sh
# Installs promtool from the distribution's packages, for the tests: they check the alert rules and dashboards with it.
# Prometheus itself comes along and is not started; a service that the package would start is kept from it.
set -eu

complain() {
    echo "install-promtool: $*" >&2
    exit 1
}

if command -v promtool >/dev/null 2>&1; then
    exit 0
fi

command -v apt-get >/dev/null 2>&1 ||
    complain "promtool is missing and there is no apt-get: install Prometheus (2.42 or newer) by hand."

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
    echo "install-promtool: installing prometheus, sudo may ask for your password" >&2
else
    complain "promtool is missing; as root, run: apt-get install --no-install-recommends prometheus"
fi

# The packages ask policy-rc.d before they start a service: 101 forbids it. One that is there is not ours to replace.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null || complain "cannot write $policy"
    trap '$as_root rm -f "$policy"' EXIT
    $as_root chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq || echo "install-promtool: apt-get update failed, going on with the lists at hand" >&2
$as_root apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 prometheus ||
    complain "apt-get could not install prometheus; its messages are above."

if [ -d /run/systemd/system ]; then
    $as_root systemctl disable --quiet prometheus || true
fi

command -v promtool >/dev/null 2>&1 || complain "prometheus is installed, but promtool cannot be found."
