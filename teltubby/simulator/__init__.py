"""A Telegram on loopback: one world behind the Bot API over HTTP and a real MTProto endpoint.

It is as strict as the real one, or it is worthless. Nothing in production imports it except `demo`; it imports
nothing of the product. Lowest first: content, lines, faults, people, files, messages, rules -> registry,
listeners, membership, world ->
bot_* and mtproto/ -> presses, curator, server -> phone -> console, process, __main__.
`server.SimulatedTelegram` runs it all in one background thread, `process.SimulatorProcess` in a process of its own
(python -m teltubby.simulator).
"""
