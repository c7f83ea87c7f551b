#!/bin/sh
# Installs RabbitMQ from the distribution's packages, for the tests: they start private nodes of their own from it.
# Nothing is started here; a service that the package would start is kept from it, or stopped again.
set -eu

complain() {
    echo "install-rabbitmq: $*" >&2
    exit 1
}

is_installed() {
    { [ -x /usr/lib/rabbitmq/bin/rabbitmq-server ] || command -v rabbitmq-server >/dev/null 2>&1; } &&
        command -v erl_call >/dev/null 2>&1 && command -v epmd >/dev/null 2>&1
}

if is_installed; then
    exit 0
fi

command -v apt-get >/dev/null 2>&1 ||
    complain "RabbitMQ is missing and there is no apt-get: install rabbitmq-server (3.10 or newer) by hand."

if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
    echo "install-rabbitmq: installing rabbitmq-server, sudo may ask for your password" >&2
else
    complain "RabbitMQ is missing; as root, run: apt-get install --no-install-recommends rabbitmq-server"
fi

# The packages ask policy-rc.d before they start a service: 101 forbids it. One that is there is not ours to replace.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null || complain "cannot write $policy"
    trap '$as_root rm -f "$policy"' EXIT
    $as_root chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq || echo "install-rabbitmq: apt-get update failed, going on with the lists at hand" >&2
$as_root apt-get install -y -qq --no-install-recommends rabbitmq-server ||
    complain "apt-get could not install rabbitmq-server; its messages are above."

if [ -d /run/systemd/system ]; then
    $as_root systemctl disable --quiet rabbitmq-server || true
fi

is_installed || complain "rabbitmq-server is installed, but its start script, erl_call or epmd cannot be found."
