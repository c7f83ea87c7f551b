"""What is said between actors and across the broker: frozen dataclasses without I/O.

`wire*` writes and reads what crosses the broker: jobs, reports, questions, orders.
"""
