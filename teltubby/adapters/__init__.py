"""With what: one third-party client per file, each behind a Protocol of base.py."""
