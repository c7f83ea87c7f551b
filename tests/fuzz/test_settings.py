"""Whatever stands in a setting: a valid configuration, or sentences that name it and no secret."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from teltubby.config import Role, load
from teltubby.config.model import all_variables
from teltubby.config.reference import effective
from teltubby.config.variable import Variable
from teltubby.errors import ConfigurationError
from tests.fuzz.shapes import NUMBERS, WORDS, damaged, examples
from tests.unit.test_config import BOX, ENOUGH

VARIABLES = [variable for variable in all_variables() if variable.name != "TELTUBBY_ENV_FILE"]
NEARLY = st.sampled_from(
    [
        *("http://[::1", "http://x:99999/", "http://a:b@c/", "https://\u2488.com", "socks5://u:p@[::1", "socks5://h:0"),
        *("1e999", "inf", "1e-400", "0.1.2", "+5", "1_000", "0,0", "1,,2", "-5,a", "2@[::1]:1", "1@h:70000", "0@h:1"),
        *("99999d:1m", "1h:10m,1h:5m", "1h:1h,99999d:99999d", "/dev/null", "/proc/self/mem", "~", ".", "a" * 5000),
    ]
)
VALUES = (NEARLY | WORDS | NUMBERS.map(str) | st.text(max_size=30)).filter(lambda text: "\0" not in text)


def assert_told(environ: dict[str, str], role: Role, *about: Variable) -> None:
    """Nothing is wrong, or it is told by name, in words that can be printed."""
    try:
        config = load(role, environ, None)
    except ConfigurationError as error:
        text = str(error)
        assert all(sentence.isprintable() for sentence in error.mistakes)
        assert any(name in text for variable in about for name in (*variable.names, *variable.file_names)), text
    else:
        list(effective(config))


@examples(150)
@given(st.sampled_from(VARIABLES), VALUES, st.sampled_from(Role))
@example(VARIABLES[0], "\ud83d", Role.BOX)
@example(next(one for one in VARIABLES if one.name == "STORAGE_FOLDER"), "\x1b[2J", Role.BOT)
def test_one_wrong_value_is_told_by_its_name(variable: Variable, value: str, role: Role) -> None:
    assert_told({**ENOUGH[role], variable.name: value}, role, variable)


@examples(40)
@given(st.sampled_from([one for one in VARIABLES if one.secret]), st.text("abé\n\r\t:/@[", min_size=8, max_size=9))
def test_a_secret_is_never_repeated(variable: Variable, value: str) -> None:
    try:
        load(Role.BOX, {**BOX, variable.name: value}, None)
    except ConfigurationError as error:
        assert not value.strip() or value.strip() not in str(error)


@examples(30)
@given(data=st.data())
def test_a_damaged_file_of_settings_is_told(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.getbasetemp() / "settings.env"
    lines = [f"{name}={value}" for name, value in ENOUGH[Role.WORKER].items()]
    path.write_bytes(data.draw(damaged("\n".join(lines).encode())))
    try:
        load(Role.WORKER, {}, path)
    except ConfigurationError as error:
        assert error.mistakes and all(sentence.endswith((".", "?")) for sentence in error.mistakes)
