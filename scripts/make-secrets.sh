#!/usr/bin/env bash
# Makes deploy/secrets/ for deploy/compose.yaml, or Podman secrets for deploy/quadlet/, out of what BotFather and
# my.telegram.org gave; keys and passwords between the containers are drawn here. What exists is kept.
#
#   scripts/make-secrets.sh            files in deploy/secrets/
#   scripts/make-secrets.sh podman     those, and `podman secret create` for each
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
umask 077

readonly folder=deploy/secrets
readonly readable_in_containers=0444
mkdir -p "$folder"

fail() {
  printf 'make-secrets: %s\n' "$*" >&2
  exit 1
}

keep() { # name; the value on stdin
  local file=$folder/$1
  if [ -s "$file" ]; then
    cat >/dev/null # who writes is not to meet a closed pipe
    return
  fi
  # Whole or not at all, as a secret that was cut off would be kept.
  rm -f "$file.new"
  cat >"$file.new"
  [ -s "$file.new" ] || fail "nothing was given for $1"
  chmod "$readable_in_containers" "$file.new"
  mv -f "$file.new" "$file"
}

asked() { # name, question
  local answer
  [ -s "$folder/$1" ] && return
  read -rsp "$2: " answer || [ -n "$answer" ] || fail "nothing was given for $1"
  printf '\n' >&2
  # As it is copied from a page: with spaces around it, or the line end of another system.
  tr -d '[:space:]' <<<"$answer" | keep "$1"
}

drawn() { openssl rand -hex "$1" | tr -d '\n'; }

asked telegram_bot_token "The bot's token, from @BotFather"
asked mtproto_api_hash "The api hash, from my.telegram.org"
drawn 32 | keep secret_key
drawn 24 | keep rabbitmq_password
drawn 10 | keep s3_access_key_id
drawn 24 | keep s3_secret_access_key
# The watermark: a node does not see every container's limit, and deploy/ gives this one 1 GiB.
printf 'default_user = teltubby\ndefault_pass = %s\nvm_memory_high_watermark.absolute = 600MiB\n' \
  "$(cat "$folder/rabbitmq_password")" | keep rabbitmq.conf
# Least privilege: this key reads, writes and lists in this bucket alone, and manages nothing.
printf '{"identities": [{"name": "teltubby", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], %s}]}\n' \
  "$(cat "$folder/s3_access_key_id")" "$(cat "$folder/s3_secret_access_key")" \
  '"actions": ["Read:teltubby", "Write:teltubby", "List:teltubby"]' | keep s3.json

[ "${1:-}" = podman ] || exit 0
secret() { # name, file
  podman secret inspect "$1" >/dev/null 2>&1 || podman secret create "$1" "$folder/$2"
}
for file in telegram_bot_token mtproto_api_hash secret_key rabbitmq_password s3_access_key_id s3_secret_access_key; do
  secret "teltubby-${file//_/-}" "$file"
done
secret teltubby-rabbitmq-conf rabbitmq.conf
secret teltubby-s3-identities s3.json
