#!/bin/sh
# Gives RabbitMQ the exchanges and queues of teltubby, and its two users no more than they need. Enter it where
# rabbitmqctl works, after `rabbitmqctl add_user teltubby-bot` and `rabbitmqctl add_user teltubby-worker`:
#
#     sh deploy/policies/rabbitmq.sh [VHOST]
#
# The bot reads reports, questions and what is broadcast, but no jobs; the worker jobs and answers, but no reports. Both
# declare at every start what is there already, and bind it, which takes configure and write.
set -eu
cd "$(dirname "$0")"
vhost=${1:-/}
ours='^teltubby[.]'
exchanges='exchange|dlx|control'
rabbitmqctl import_definitions rabbitmq.json
rabbitmqctl set_permissions --vhost "$vhost" teltubby-bot "$ours" "$ours" \
    "^teltubby[.](($exchanges|events|questions)\$|(answers|control)[.])"
rabbitmqctl set_permissions --vhost "$vhost" teltubby-worker "$ours" "$ours" \
    "^teltubby[.](($exchanges|large_files|priority_jobs)\$|(answers|control)[.])"
