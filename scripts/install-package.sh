#!/bin/sh
# Installs packages of the distribution that tests need and that are missing: scripts/install-package.sh PACKAGE...
# Nothing is started: a service that a package would start is kept from it, or stopped again. Running it again, twice at
# once, or after it was interrupted, does no harm.
set -eu

apt_get=$(command -v apt-get || true)
policy=/usr/sbin/policy-rc.d
mark="teltubby: made by install-package.sh, and left behind if you read this"
# Where Debian keeps programs that not everybody has in PATH.
PATH=$PATH:/usr/sbin:/sbin:/usr/lib/rabbitmq/bin

complain() {
    echo "install-package: $*" >&2
    exit 1
}

# has PACKAGE: what it is wanted for is there, whoever installed it.
has() {
    case $1 in
        rabbitmq-server) can rabbitmq-server erl_call epmd ;;
        prometheus) can promtool ;;
        *) dpkg-query --show --showformat '${db:Status-Status}\n' "$1" 2>/dev/null | grep -qx installed ;;
    esac
}

can() {
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 || return 1
    done
}

missing() {
    for package in "$@"; do
        has "$package" || printf '%s ' "$package"
    done
}

[ $# -gt 0 ] || complain "which package?"
wanted=$(missing "$@")
if [ -z "$wanted" ] && ! grep -qs "$mark" "$policy"; then
    exit 0
fi
[ -n "$apt_get" ] || complain "$wanted: missing, and there is no apt-get. Install it by hand (RabbitMQ 3.10," \
    "Prometheus 2.42, or newer)."
if [ "$(id -u)" -eq 0 ]; then
    as_root=""
elif command -v sudo >/dev/null 2>&1; then
    as_root="sudo"
    echo "install-package: installing $wanted; sudo may ask for your password" >&2
else
    complain "please run as root: apt-get install --no-install-recommends $wanted"
fi

# One at a time, whatever folder each was started from: a file that everybody may read, and nobody else locks.
exec 9<"$apt_get"
flock 9
wanted=$(missing "$@")

# The packages ask policy-rc.d before they start a service: 101 forbids it. One that somebody else put there stays.
if [ ! -e "$policy" ] || grep -qs "$mark" "$policy"; then
    trap '$as_root rm -f "$policy"' EXIT
    trap 'exit 130' HUP INT TERM
    printf '#!/bin/sh\n# %s\nexit 101\n' "$mark" | $as_root tee "$policy" >/dev/null || complain "cannot write $policy"
    $as_root chmod 755 "$policy"
fi
[ -n "$wanted" ] || exit 0

export DEBIAN_FRONTEND=noninteractive
if [ -n "$(dpkg --audit)" ]; then
    echo "install-package: an installation was cut off; going on with that first" >&2
    $as_root dpkg --configure --pending >&2 || true
fi
$as_root apt-get update -qq >&2 || echo "install-package: apt-get update failed, going on with the lists at hand" >&2
# shellcheck disable=SC2086 # names of packages, without spaces
$as_root apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=300 $wanted >&2 </dev/null ||
    complain "apt-get could not install $wanted; its messages are above."

if [ -d /run/systemd/system ]; then
    for service in rabbitmq-server prometheus; do
        case " $wanted" in *" $service "*) $as_root systemctl disable --quiet --now "$service" || true ;; esac
    done
fi
wanted=$(missing "$@")
[ -z "$wanted" ] || complain "$wanted is installed, but its programs cannot be found."
