"""help.*: where the data centres are, and settings that clients ask for at start."""

from __future__ import annotations

from typing import Any

from teltubby.simulator.mtproto.rpc import Caller, Handlers
from teltubby.simulator.mtproto.tl import functions, types

CONFIG_SECONDS = 3600
# Limits of the real server; the intervals are its usual values in milliseconds.
SETTINGS: dict[str, int] = {
    "chat_size_max": 200,
    "megagroup_size_max": 200_000,
    "forwarded_count_max": 100,
    "online_update_period_ms": 210_000,
    "offline_blur_timeout_ms": 5_000,
    "offline_idle_timeout_ms": 30_000,
    "online_cloud_timeout_ms": 300_000,
    "notify_cloud_delay_ms": 30_000,
    "notify_default_delay_ms": 1_500,
    "push_chat_period_ms": 60_000,
    "push_chat_limit": 2,
    "edit_time_limit": 172_800,
    "revoke_time_limit": 2_147_483_647,
    "revoke_pm_time_limit": 2_147_483_647,
    "rating_e_decay": 2_419_200,
    "stickers_recent_limit": 200,
    "channels_read_media_period": 604_800,
    "call_receive_timeout_ms": 20_000,
    "call_ring_timeout_ms": 90_000,
    "call_connect_timeout_ms": 30_000,
    "call_packet_timeout_ms": 10_000,
    "caption_length_max": 1024,
    "message_length_max": 4096,
}


def get_config(caller: Caller, request: Any) -> Any:
    """help.getConfig: every data centre on its loopback port; what is for files only comes last, as clients expect."""
    state = caller.state
    now = int(state.time())  # the clock that clients see
    options = [types.DcOption(id=dc, ip_address=state.host, port=port) for dc, port in sorted(state.ports.items())]
    options += [
        types.DcOption(id=dc, ip_address=state.host, port=port, media_only=True)
        for dc, port in sorted(state.media_ports.items())
    ]
    return types.Config(
        date=now,
        expires=now + CONFIG_SECONDS,
        test_mode=False,
        this_dc=caller.dc,
        dc_options=options,
        dc_txt_domain_name="",
        me_url_prefix="https://t.me/",
        webfile_dc_id=caller.dc,
        tmp_sessions=state.tmp_sessions,
        **SETTINGS,
    )


def get_nearest_dc(caller: Caller, request: Any) -> Any:
    """help.getNearestDc: all are equally near."""
    return types.NearestDc(country="ZZ", this_dc=caller.dc, nearest_dc=caller.dc)


def get_app_config(caller: Caller, request: Any) -> Any:
    """help.getAppConfig: nothing to configure."""
    return types.help.AppConfig(hash=1, config=types.JsonObject([]))


HANDLERS: Handlers = {
    functions.help.GetConfigRequest: get_config,
    functions.help.GetNearestDcRequest: get_nearest_dc,
    functions.help.GetAppConfigRequest: get_app_config,
}
