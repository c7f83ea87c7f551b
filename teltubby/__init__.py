"""teltubby archives what curators forward to a Telegram bot, whole and exactly once, in an object store.

Who may import whom; a layer imports only layers below it (tests/test_architecture.py keeps it so)::

    cli  demo  doctor  login       what people start
    probing                        `teltubby health`: asks a running process how it is
    recovery                       the commands of backups: made, listed, brought back, pruned
    fixity                         the archive checked against what is said of it, the ledger made anew from it
    tracing                        one job's way through both processes, from ledger and logs
    collecting  tasks              the collector's commands, and these as modules
    watching                       what supervisord starts to tell of the others' deaths
    exit_codes  interrupts         what commands end with, also early
    runtime                        the only anyio.run(): backend, signals, exit codes
    trees                          the architecture: one declarative screen per process
    actors                         who does it: one supervised actor per duty
    transfer                       the MTProto download engine and its spool
    collector                      what channels posted: history, updates, counters, and their database
    backup                         copies of what a process owns: made, verified, rotated, brought back
    adapters                       with what: one third-party client per file, behind the Protocols of base.py
    archive                        pure policy: keys, routing, artifact, quota, job states and turns
    config  logs                   settings from the environment; structured logging
    flavour                        the only module that names trio_asyncio
    messages                       what is said: frozen dataclasses and their wire codec
    errors                         one small tree of errors
    supervision                    mailboxes, actors, supervisors; knows nothing of Telegram

``simulator`` stands beside the house: a local Telegram for demo and tests. Nothing but ``demo`` imports it.
"""

__version__ = "0.1.0"
