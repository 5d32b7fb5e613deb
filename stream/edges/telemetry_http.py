"""The endpoint that Prometheus and an orchestrator ask: /metrics, /healthz, /readyz."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import AF_INET, AF_INET6
from socketserver import TCPServer
from threading import Thread
from urllib.parse import urlsplit

from prometheus_client.exposition import choose_encoder

from stream.core.errors import DriftlineError
from stream.edges.telemetry import Telemetry

_PATIENCE = 10.0


class TelemetryError(DriftlineError):
    """The endpoint cannot be opened: the address is taken or not of this machine."""


class TelemetryServer:
    """An open endpoint, served by threads of its own.

    Attributes
    ----------
    address
        Host and port on which it listens.
    """

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self._server = server
        host, port = server.server_address[:2]
        self.address = (str(host), int(port))
        self._thread = Thread(target=server.serve_forever, name="telemetry", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering and give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def serve_http(telemetry: Telemetry, address: tuple[str, int]) -> TelemetryServer:
    """Answer on a host and port (0: any free one) until closed.

    ``/metrics`` gives the metrics in the format that the client asks for; ``/healthz`` is 200
    while the loop turns, ``/readyz`` when all owned partitions predict; else both are 503
    with the reason.

    Raises
    ------
    TelemetryError
        The address cannot be listened on.
    """

    class Handler(_Handler):
        of = telemetry

    try:
        server = _Server(address, Handler)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TelemetryError(
            f"[telemetry] {address[0]}:{address[1]}: cannot be listened on: {reason}; choose "
            f"another port, or 0 for any free one"
        ) from error
    return TelemetryServer(server)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that reads nothing must not hold up the end of the service

    def __init__(self, address: tuple[str, int], handler: type[BaseHTTPRequestHandler]) -> None:
        self.address_family = AF_INET6 if ":" in address[0] else AF_INET
        super().__init__(address, handler)

    def server_bind(self) -> None:
        """Bind without asking the name service for our name, as `HTTPServer` does: it can hang."""
        TCPServer.server_bind(self)

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that went away is its own affair."""


class _Handler(BaseHTTPRequestHandler):
    of: Telemetry
    timeout = _PATIENCE
    server_version = "driftline"
    sys_version = ""

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/metrics":
            encode, kind = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, encode(self.of.registry), kind)
        elif path == "/healthz":
            self._say(*self._health())
        elif path == "/readyz":
            self._say(*self._readiness())
        else:
            self._say(404, "ask for /metrics, /healthz or /readyz")

    do_HEAD = do_GET  # noqa: N815  # the name that http.server looks for

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a scrape every few seconds is no news."""

    def _health(self) -> tuple[int, str]:
        if self.of.healthy:
            return 200, "ok"
        return 503, f"the loop has stood still for {self.of.stalled_for:.0f} s"

    def _readiness(self) -> tuple[int, str]:
        waiting = self.of.waiting
        if waiting is None:
            return 503, "no partitions were assigned yet"
        if waiting:
            return 503, f"catching up on partitions {', '.join(map(str, waiting))}"
        return 200, "ok"

    def _say(self, status: int, text: str) -> None:
        self._answer(status, f"{text}\n".encode(), "text/plain; charset=utf-8")

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
