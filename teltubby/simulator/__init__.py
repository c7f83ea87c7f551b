"""A Telegram on loopback: one world behind the Bot API over HTTP and a real MTProto endpoint.

It is as strict as the real one, or it is worthless. Nothing in production imports it except `demo`; it imports
nothing of the product. Lowest first: content, files, faults, people, messages, rules -> registry, world -> bot_* and
mtproto/ -> curator, server.
`server.SimulatedTelegram` runs it all in one background thread.
"""
