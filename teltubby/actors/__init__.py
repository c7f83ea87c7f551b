"""Who does it: one supervised actor per duty, and the pure texts that people read (`phrases`).

An actor that does much consists of parts, a file each; docs/architecture.md says which belong to which, and trees/ puts
them together.
"""
