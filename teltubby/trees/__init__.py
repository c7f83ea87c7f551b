"""THE ARCHITECTURE: one declarative screen per process. Start from the top; stop from the bottom.

`box`, `bot` and `worker` are the trees; `parts` makes the adapters, `conversation` and `reception` the BotActor.
"""
