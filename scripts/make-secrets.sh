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

keep() { # name; the value on stdin
  local file=$folder/$1
  if [ -s "$file" ]; then
    cat >/dev/null # who writes is not to meet a closed pipe
    return
  fi
  cat >"$file"
  chmod "$readable_in_containers" "$file"
}

asked() { # name, question
  local answer
  [ -s "$folder/$1" ] && return
  read -rsp "$2: " answer
  printf '\n' >&2
  printf '%s' "$answer" | keep "$1"
}

drawn() { openssl rand -hex "$1" | tr -d '\n'; }

asked telegram_bot_token "The bot's token, from @BotFather"
asked mtproto_api_hash "The api hash, from my.telegram.org"
drawn 32 | keep secret_key
drawn 24 | keep rabbitmq_password
drawn 10 | keep s3_access_key_id
drawn 24 | keep s3_secret_access_key
printf 'default_user = teltubby\ndefault_pass = %s\n' "$(cat "$folder/rabbitmq_password")" | keep rabbitmq.conf
# Least privilege: this key reads, writes and lists in this bucket alone, and manages nothing.
printf '{"identities": [{"name": "teltubby", "credentials": [{"accessKey": "%s", "secretKey": "%s"}], %s}]}\n' \
  "$(cat "$folder/s3_access_key_id")" "$(cat "$folder/s3_secret_access_key")" \
  '"actions": ["Read:teltubby", "Write:teltubby", "List:teltubby"]' | keep s3.json

[ "${1:-}" = podman ] || exit 0
for file in telegram_bot_token mtproto_api_hash secret_key rabbitmq_password s3_access_key_id s3_secret_access_key; do
  podman secret create "teltubby-${file//_/-}" "$folder/$file"
done
podman secret create teltubby-rabbitmq-conf "$folder/rabbitmq.conf"
podman secret create teltubby-s3-identities "$folder/s3.json"
