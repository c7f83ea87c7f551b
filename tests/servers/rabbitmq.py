"""A private RabbitMQ node for tests: everything it owns lies in one directory, and it answers on loopback only.

Nothing is shared with a RabbitMQ that the machine may run: own node name, AMQP port, distribution port and epmd (the
start scripts would leave a daemonised one behind), own cookie. It runs without root. One process group holds all of its
processes, so that ending the group ends everything.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.servers.ports import HOST, free_port

START_SECONDS = 90.0
STOP_SECONDS = 20.0
USER = "guest"
PASSWORD = "guest"

# Debian's /usr/sbin/rabbitmq-server changes to the rabbitmq user and its directories; this one does not.
_SERVER_SCRIPTS = (Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/usr/lib/rabbitmq/sbin/rabbitmq-server"))
_AMQP_GREETING = b"AMQP\x00\x00\x09\x01"

# A queue that dead-letters at-least-once and is deleted in the moment it elects its leader, as after a restart, leaves
# a worker behind that crashes until its supervisor gives up, and with it every such queue of the node (rabbitmq-server
# issue 16652). So before anything is deleted, all workers must be there and idle.
_AWAIT_DEAD_LETTER_WORKERS = """
Wait = fun Wait(0) -> timeout;
           Wait(N) ->
    Queues = [Q || Q <- rabbit_amqqueue:list(),
                   rabbit_misc:table_lookup(amqqueue:get_arguments(Q), <<"x-dead-letter-strategy">>) =/= undefined],
    Workers = [P || {_, P, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup), is_pid(P)],
    case length(Workers) >= length(Queues) of
        true -> [catch sys:get_status(P, 5000) || P <- Workers], ok;
        false -> timer:sleep(20), Wait(N - 1)
    end
end, ok = Wait(500)"""


class RabbitUnavailable(Exception):
    """RabbitMQ is not installed, or the node did not start."""


def find_server() -> Path:
    """The server's start script. Raises RabbitUnavailable."""
    for script in _SERVER_SCRIPTS:
        if script.exists():
            return script
    found = shutil.which("rabbitmq-server")
    if found is None:
        raise RabbitUnavailable("rabbitmq-server is not installed: run scripts/install-package.sh rabbitmq-server")
    return Path(found)


class RabbitNode:
    """One RabbitMQ node in `directory`; `settings` are lines of rabbitmq.conf."""

    host = HOST
    user = USER
    password = PASSWORD

    def __init__(self, directory: Path, *, settings: tuple[str, ...] = ()) -> None:
        self.directory = directory
        self.port = free_port()
        self._distribution_port = free_port()
        self._epmd_port = free_port()
        self._name = f"teltubby-{secrets.token_hex(4)}@localhost"
        self._cookie = secrets.token_hex(16)
        self._settings = settings
        self._leader: subprocess.Popen[bytes] | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._leader is not None

    def start(self) -> None:
        """Start and return when clients can connect. Raises RabbitUnavailable."""
        script = find_server()
        self._prepare()
        environment = self._environment()
        # The leader of the group waits for our end of the pipe to close: a killed test run leaves nothing behind.
        self._leader = subprocess.Popen(
            ["sh", "-c", f"epmd -port {self._epmd_port} -address {HOST} & read -r _; kill -KILL 0"],
            env=environment, cwd=self.directory, process_group=0,
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self._await_port(self._epmd_port, self._leader, b"")
        with (self.directory / "console.log").open("ab") as console:
            self._server = subprocess.Popen(
                [str(script)],
                env=environment, cwd=self.directory, process_group=self._leader.pid,
                stdin=subprocess.DEVNULL, stdout=console, stderr=console,
            )  # fmt: skip
        self._await_port(self.port, self._server, _AMQP_GREETING)

    def stop(self) -> None:
        """An orderly stop, at most STOP_SECONDS, then whatever is left is killed; safe to call twice."""
        if self._server is not None and self._server.poll() is None:
            self._server.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):  # then kill() does it
                self._server.wait(STOP_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it as a power cut would: SIGKILL to the node's process group, which is ours alone."""
        if self._leader is None:
            return
        # The leader is not reaped before, so its id, which is the group's, cannot belong to anybody else.
        os.killpg(self._leader.pid, signal.SIGKILL)
        if self._leader.stdin is not None:
            self._leader.stdin.close()
        self._leader.wait()
        if self._server is not None:
            self._server.wait()
        self._leader = self._server = None

    def restart(self, *, orderly: bool = True) -> None:
        """Stop (or kill) and start again on the same ports and data."""
        if orderly:
            self.stop()
        else:
            self.crash()
        self.start()

    def crash(self) -> None:
        """Kill it; the queues that it made so far are there again afterwards."""
        # RabbitMQ writes to disk which queues exist up to half a second late; messages are another matter.
        self.evaluate("[ok = dets:sync(Table) || Table <- dets:all()]")
        self.kill()

    def renew(self) -> None:
        """Kill it, and start one on the same ports that has nothing."""
        self.kill()
        shutil.rmtree(self.directory / "mnesia", ignore_errors=True)
        self.start()

    def create_vhost(self, name: str) -> str:
        """Create a virtual host in which our user may do everything; returns `name`."""
        self.evaluate(
            f'ok = rabbit_vhost:add(<<"{name}">>, <<"tests">>), '
            f'rabbit_auth_backend_internal:set_permissions(<<"{USER}">>, <<"{name}">>, '
            '<<".*">>, <<".*">>, <<".*">>, <<"tests">>)'
        )
        return name

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with all queues and connections in it."""
        self.evaluate(_AWAIT_DEAD_LETTER_WORKERS)
        self.evaluate(f'rabbit_vhost:delete(<<"{name}">>, <<"tests">>)')

    def delete_queue(self, vhost: str, queue: str) -> None:
        """Delete a queue behind its users' backs."""
        self.evaluate(_AWAIT_DEAD_LETTER_WORKERS)
        self.evaluate(
            f'{{ok, Q}} = rabbit_amqqueue:lookup(rabbit_misc:r(<<"{vhost}">>, queue, <<"{queue}">>)), '
            '{ok, _} = rabbit_amqqueue:delete(Q, false, false, <<"tests">>), ok'
        )

    def set_consumer_timeout(self, seconds: float, *, tick: float) -> None:
        """How long a channel opened from now on may hold a delivery, and how often a channel looks (seconds)."""
        self.evaluate(
            f"application:set_env(rabbit, consumer_timeout, {round(1000 * seconds)}), "
            f"application:set_env(rabbit, channel_tick_interval, {round(1000 * tick)})"
        )

    def listen_tls(self, certificate: Path, *, authority: Path) -> int:
        """Open a port for TLS, and return it; clients need a certificate that `authority` signed."""
        port = free_port()
        options = (
            f'{{cacertfile,"{authority}"}}, {{certfile,"{certificate}"}}, {{keyfile,"{certificate}"}}, '
            "{verify,verify_peer}, {fail_if_no_peer_cert,true}"
        )
        self.evaluate(
            "{ok, _} = application:ensure_all_started(ssl), "
            f'rabbit_networking:start_ssl_listener({{"{HOST}", {port}}}, [{options}], 1)'
        )
        return port

    def evaluate(self, expression: str) -> str:
        """Evaluate Erlang in the node: erl_call takes milliseconds where rabbitmqctl takes two seconds."""
        # A name of its own: the one that -r chooses changes once a second only, and the node refuses a call as long as
        # it has not noticed that the one before, of the same name, has ended.
        name = f"tests-{secrets.token_hex(8)}"
        done = subprocess.run(
            [
                "erl_call", "-address", f"localhost:{self._distribution_port}", "-c", self._cookie, "-h", name, "-e",
                "-timeout", "30",
            ],
            input=f"{expression}.\n".encode(), capture_output=True, timeout=40, check=False,
            env={**os.environ, "HOME": str(self.directory), "ERL_EPMD_PORT": str(self._epmd_port)},
        )  # fmt: skip
        answer = done.stdout.decode(errors="replace")
        if done.returncode != 0 or not answer.startswith("{ok,"):
            raise RabbitUnavailable(f"erl_call: {answer} {done.stderr.decode(errors='replace')}".strip())
        return answer

    def shell(self, command: str) -> str:
        """What a line of shell prints that an operator enters on the node's machine; `rabbitmqctl` takes 2 s."""
        environment = self._environment() | {
            "PATH": f"{find_server().parent}:{os.environ['PATH']}",
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        done = subprocess.run(
            ["sh", "-c", command], env=environment, cwd=self.directory, capture_output=True, timeout=60, check=False
        )
        if done.returncode != 0:
            raise RabbitUnavailable(f"{command}: {done.stderr.decode(errors='replace')}")
        return done.stdout.decode(errors="replace")

    def _prepare(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        cookie = self.directory / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(self._cookie)
            cookie.chmod(0o400)
        self._config.write_text("\n".join((f"listeners.tcp.1 = {HOST}:{self.port}", *self._settings, "")))
        self._plugins.write_text("[].\n")
        (self.directory / "rabbitmq-env.conf").write_text("")

    @property
    def _config(self) -> Path:
        return self.directory / "rabbitmq.conf"

    @property
    def _plugins(self) -> Path:
        return self.directory / "enabled_plugins"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "HOME": str(self.directory),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "rabbitmq-env.conf"),
            "RABBITMQ_NODENAME": self._name,
            "RABBITMQ_NODE_IP_ADDRESS": HOST,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            "RABBITMQ_CONFIG_FILE": str(self._config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.directory / "advanced.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._plugins),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(self.directory / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(self.directory / "schema"),
            "RABBITMQ_PID_FILE": str(self.directory / "rabbitmq.pid"),
            # With this the script becomes the Erlang VM instead of waiting for it, so a signal to it arrives.
            "RABBITMQ_ALLOW_INPUT": "1",
            "RABBITMQ_SERVER_START_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1} -start_epmd false",
        }

    def _await_port(self, port: int, process: subprocess.Popen[bytes], greeting: bytes) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            if _answers(port, greeting):
                return
            time.sleep(0.05)
        console = self.directory / "console.log"
        tail = console.read_text(errors="replace")[-2000:] if console.exists() else ""
        self.kill()
        raise RabbitUnavailable(f"the RabbitMQ node did not start within {START_SECONDS:g} s\n{tail}")


def _answers(port: int, greeting: bytes) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=5) as probe:
            if not greeting:
                return True
            probe.sendall(greeting)
            return bool(probe.recv(1))
    except OSError:
        return False


def url_parts(node: RabbitNode, vhost: str) -> dict[str, Any]:
    """The keyword arguments of `RabbitBroker` that say where the node is."""
    return {"host": node.host, "port": node.port, "username": node.user, "password": node.password, "vhost": vhost}
