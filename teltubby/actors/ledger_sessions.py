"""What the ledger answers about sessions: the relay's copies, attempts to sign in, announced trouble."""

from __future__ import annotations

from typing import assert_never

from teltubby.actors.ledger_access import LedgerAccess
from teltubby.messages.ledger_sessions import (
    BeginRelayCopy,
    CountCommands,
    FindTrouble,
    ForgetPicture,
    ForgetRelayCopy,
    KeepPicture,
    ListPictures,
    ListRelayCopies,
    NoteRelayCopy,
    RecordCommand,
    SessionsMessage,
    SetTrouble,
)


async def answer_about_sessions(access: LedgerAccess, message: SessionsMessage) -> object:
    """The answer to one request, of the type that the request names. Raises DatabaseUnavailable."""
    relay, sign_ins = access.ledger.relay, access.ledger.sign_ins
    match message:
        case BeginRelayCopy():
            return await access.write(relay.begin, message.job_id, message.chat_id)
        case NoteRelayCopy():
            return await access.write(relay.note, message.job_id, message.chat_id, message.message_id)
        case ListRelayCopies():
            return await access.read(relay.list)
        case ForgetRelayCopy():
            return await access.write(relay.forget, message.job_id, message.chat_id, message.message_id)
        case RecordCommand():
            return await access.write(sign_ins.record, message)
        case CountCommands():
            return await access.read(sign_ins.count, message)
        case FindTrouble():
            return await access.read(sign_ins.trouble, message.place, message.account)
        case SetTrouble():
            return await access.write(sign_ins.set_trouble, message.place, message.account, message.trouble)
        case KeepPicture():
            return await access.write(sign_ins.keep_picture, message.chat_id, message.message_id)
        case ForgetPicture():
            return await access.write(sign_ins.forget_picture, message.chat_id, message.message_id)
        case ListPictures():
            return await access.read(sign_ins.pictures)
        case _:
            assert_never(message)
