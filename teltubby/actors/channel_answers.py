"""What a session's ChannelGateway answers to the requests of messages.channels."""

from __future__ import annotations

from typing import assert_never

from teltubby.adapters.base import ChannelGateway
from teltubby.messages.channels import (
    ChannelRequest,
    DescribeChannel,
    FindChannel,
    FollowUpdates,
    PostsAfter,
    PostsBefore,
    PostsById,
    ReadDifference,
)


async def answer_of(gateway: ChannelGateway, request: ChannelRequest) -> object:
    """The answer of the request's own type. Raises what the gateway does."""
    match request:
        case FindChannel():
            return await gateway.find_channel(request.peer)
        case DescribeChannel():
            return await gateway.describe_channel(request.ref)
        case PostsBefore():
            return await gateway.posts_before(request.ref, request.before, request.limit)
        case PostsAfter():
            return await gateway.posts_after(request.ref, request.after, request.limit)
        case PostsById():
            return await gateway.posts_by_id(request.ref, request.msg_ids)
        case ReadDifference():
            return await gateway.difference(request.ref, request.pts)
        case FollowUpdates():
            return await gateway.follow()
        case _:
            assert_never(request)
