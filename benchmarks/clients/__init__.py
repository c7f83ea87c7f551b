"""Clients that download, one process each; `serving` is what they have in common."""
