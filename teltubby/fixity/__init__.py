"""`teltubby verify` and `teltubby reindex`: the archive against what is said of it, and the ledger from the archive.

Both read the store page by page into a catalogue (adapters/sqlite_catalogue.py), write nothing to it and delete
nothing in it.
"""
