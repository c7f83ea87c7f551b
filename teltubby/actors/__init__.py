"""Who does it: one supervised actor per duty, and the pure texts that people read."""
