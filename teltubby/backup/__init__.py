"""Backups: consistent copies of what a process owns, packed, sealed, verified, listed, rotated and brought back.

A backup is a handful of objects under a prefix of its own, in the archive's store or in a folder. Its manifest is
written last, when everything that it names was read back: what has none is unfinished, and counts for nothing.
"""
