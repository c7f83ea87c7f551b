"""Requests that several tests send on the wire."""

from __future__ import annotations

from typing import Any

import pytest
from telethon.tl import functions, types

from teltubby.simulator.people import Peer, User
from tests.simulator.mtproto.conftest import Scene
from tests.simulator.mtproto.raw_client import RawClient, Refusal

GET_CONFIG = functions.help.GetConfigRequest()
GET_STATE = functions.updates.GetStateRequest()


async def assert_refused(client: RawClient, request: Any, code: int, message: str) -> None:
    with pytest.raises(Refusal) as refusal:
        await client.call(request)
    assert (refusal.value.code, refusal.value.message) == (code, message)


def document_location(scene: Scene, account: User, **changes: Any) -> Any:
    file = scene.document
    return types.InputDocumentFileLocation(
        **{
            "id": file.id,
            "access_hash": scene.world.access_hash(account.id, file),
            "file_reference": scene.world.file_reference(file),
            "thumb_size": "",
            **changes,
        }
    )


def photo_location(scene: Scene, account: User, **changes: Any) -> Any:
    file = scene.photo
    return types.InputPhotoFileLocation(
        **{
            "id": file.id,
            "access_hash": scene.world.access_hash(account.id, file),
            "file_reference": scene.world.file_reference(file),
            "thumb_size": "y",
            **changes,
        }
    )


def part(location: Any, offset: int = 0, limit: int = 4096, *, precise: bool = False) -> Any:
    return functions.upload.GetFileRequest(location, offset, limit, precise=precise)


def input_channel(scene: Scene, account: User, chat: Peer) -> Any:
    return types.InputChannel(chat.id, scene.world.access_hash(account.id, chat))


async def sign_in(client: RawClient, scene: Scene) -> Any:
    phone = scene.person.phone or ""
    sent = await client.call(functions.auth.SendCodeRequest(phone, 1, "hash", types.CodeSettings()))
    code = scene.server.login_codes[phone]
    return await client.call(functions.auth.SignInRequest(phone, sent.phone_code_hash, code))
