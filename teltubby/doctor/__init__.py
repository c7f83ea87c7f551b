"""`teltubby doctor`: looks at everything that an operator can get wrong, and says how to mend it.

It changes nothing: what it has to write for a proof (an object, a message, a file) it removes, also after a failure.
"""
