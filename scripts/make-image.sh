#!/usr/bin/env bash
# Builds the image, also where no container registry can be reached: the base is then made of the distribution's own
# packages, and an image made so is for trying out. What podman is to be told besides is in the arguments, such as
# --volume for a mirror of the package index; BASE=… takes a base of one's own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly own_base=localhost/teltubby-base:bookworm
readonly image=${IMAGE:-localhost/teltubby:latest}

say() { printf 'image: %s\n' "$*" >&2; }

if [ -z "${BASE:-}" ] && ! podman pull --quiet "$(sed -n 's/^ARG BASE=//p' Containerfile)" >/dev/null 2>&1; then
  BASE=$own_base
  if ! podman image exists "$BASE"; then
    say "no registry can be reached: making a base of Debian's packages"
    # As slim as those of registries: without manuals and translations, and without the Perl that merging /usr afterwards
    # takes. Whole or not at all: a base that was cut off would be used for ever.
    made=$(mktemp --directory)
    trap 'rm -rf "$made"' EXIT
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates \
      --hook-dir=/usr/share/mmdebstrap/hooks/merged-usr \
      --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
      --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
      bookworm "$made/base.tar" >&2
    podman import --quiet "$made/base.tar" "$BASE" >&2
  fi
fi
# With its revision's time for all times in it, what is built twice from one base is the same twice.
podman build --format docker ${BASE:+--build-arg "BASE=$BASE"} \
  --timestamp "$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
  --build-arg "REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" --tag "$image" "$@" .
say "$image, $(podman image inspect --format '{{.Size}}' "$image" | numfmt --to=iec)B"
