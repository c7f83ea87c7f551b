"""What is said between actors and across the broker: frozen dataclasses without I/O."""
