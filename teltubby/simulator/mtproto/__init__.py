"""The simulated Telegram's MTProto server, one listening port per data centre, and if wanted one more for files.

Lowest first: crypto, tl -> rsa_key, transport, envelope, plain, session, parallel, served, limits, srp -> keys,
incoming, handshake, exports, login_tokens -> inlet, outlet, state, rpc, paging -> media, views, peers, logins,
authorizations, updates -> auth, passwords, qr, messages, searching, dialogs, members, files, config -> methods,
freezing -> dispatch -> service, connection -> server.
Requests and types are read and written by Telethon's TL layer (`tl.py` is the only module that names it); transports,
handshake and sessions are our own, and kurigram, a client of other origin, checks the whole.
"""

from teltubby.simulator.mtproto.rsa_key import RsaKey, make_rsa_key
from teltubby.simulator.mtproto.server import MTProtoServer

__all__ = ["MTProtoServer", "RsaKey", "make_rsa_key"]
