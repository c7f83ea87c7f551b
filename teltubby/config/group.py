"""The base of all settings groups, and the bounds and wordings that they share."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

MIB = 1024**2
GIB = 1024**3

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
AtOnce = Annotated[int, Field(ge=1, le=32)]
Text = Annotated[str, Field(min_length=1)]
Secret = Annotated[SecretStr, Field(min_length=1)]

YES_NO = "true or false"
PATH = "a path"
PEM_CERTIFICATE = "the path of a PEM file with a certificate"
PEM_KEY = "the path of a PEM file with a private key, not encrypted"
WEB_ADDRESS = "an http(s) address"
POSITIVE = "a whole number above 0"
NOT_NEGATIVE = "a whole number, 0 or more"
SECONDS = "a number of seconds above 0"
AT_ONCE = "a whole number from 1 to 32"


class Group(BaseSettings):
    """Settings that belong together; frozen, and filled only by `teltubby.config.load`, which knows every source."""

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave the environment to `load`: it looks up all groups at once and remembers where each value came from."""
        return (init_settings,)
