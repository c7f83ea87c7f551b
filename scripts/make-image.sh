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
    mmdebstrap --quiet --variant=minbase --include=python3,python3-venv,ca-certificates bookworm - |
      podman import --quiet - "$BASE" >&2
  fi
fi
podman build --format docker ${BASE:+--build-arg "BASE=$BASE"} \
  --build-arg "REVISION=$(git rev-parse --short HEAD 2>/dev/null || echo unknown)" --tag "$image" "$@" .
say "$image, $(podman image inspect --format '{{.Size}}' "$image" | numfmt --to=iec)B"
