"""As among the actors: tests that ask for `virtual_time` run on a clock that jumps, the others in real time."""

from tests.actors.conftest import _no_blocking as _no_blocking
from tests.actors.conftest import anyio_backend as anyio_backend
from tests.actors.conftest import virtual_time as virtual_time
