"""The collector: what channels posted, how it was edited, and how its counters went, from history and updates."""
