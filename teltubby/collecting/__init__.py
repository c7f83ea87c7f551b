"""The collector's commands: what a person does with channels and their posts at a terminal, without a tree of actors.

Those that speak to Telegram (`sync-history`, `poll-updates`) own the user session and the database while they run; the
others read or write beside the worker that owns them.
"""
