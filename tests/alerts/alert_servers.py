"""Real servers on this machine: HTTPS and SMTP with a certificate of their own, and what they were sent."""

from __future__ import annotations

import asyncio
import base64
import http.server
import json
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from milepost.alerts.notice import Notice

CERTIFICATE = Path(__file__).with_name("server.pem")  # of alerts.test, localhost and 127.0.0.1, with its key


def notice(**fields: Any) -> Notice:
    """A notice as a watcher would make it."""
    given: dict[str, Any] = {
        "id": "1f", "rule": "dead", "severity": "critical", "state": "firing", "text": "run brisk-otter was killed",
        "subjects": ("brisk-otter",), "count": 1, "firing": 1, "resolved": 0, "at": "2026-01-02T03:04:05+00:00",
        "workspace": "/data/.milepost", **fields,
    }  # fmt: skip
    return Notice(**given)


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


class Hook:
    """A server that keeps what was posted over TLS; `answer` is the status, `location` where it redirects."""

    def __init__(self, *, tls: bool = True) -> None:
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.answer = 200
        self.location: str | None = None
        self.before_answer: Callable[[], object] = lambda: None
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.posts.append((self.path, dict(self.headers), body))
                hook.before_answer()
                self.send_response(hook.answer)
                if hook.location is not None:
                    self.send_header("Location", hook.location)
                self.end_headers()

            def log_message(self, *arguments: object) -> None:
                return

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def get_request(self) -> Any:
                connection, address = super().get_request()
                hook.connections += 1
                return server_context().wrap_socket(connection, server_side=True) if tls else connection, address

            def handle_error(self, request: object, client_address: object) -> None:
                return  # a client that goes away is what some tests are about

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()

    def documents(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.posts]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class MailServer:
    """An SMTP server: greets, upgrades to TLS, asks who it is, takes mail. `seen` is each command with whether it
    came over TLS; `mails` the messages as they came."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.seen: list[tuple[str, bool]] = []
        self.mails: list[str] = []
        self.refuses_mail = False
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port: int = self._server.sockets[0].getsockname()[1]
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secure = False
        writer.write(b"220 mail.test ESMTP\r\n")
        try:
            while line := (await reader.readline()).decode().rstrip("\r\n"):
                verb = line.split(" ")[0].upper()
                self.seen.append((verb, secure))
                if verb == "STARTTLS":
                    writer.write(b"220 go ahead\r\n")
                    await writer.drain()
                    await writer.start_tls(server_context())
                    secure = True
                elif verb == "DATA":
                    await self._take(reader, writer)
                elif verb == "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                else:
                    writer.write(self._answer(verb, line, secure))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def _answer(self, verb: str, line: str, secure: bool) -> bytes:
        if verb == "EHLO":
            return b"250-mail.test\r\n250-AUTH PLAIN\r\n250 SMTPUTF8\r\n" if secure else (
                b"250-mail.test\r\n250-STARTTLS\r\n250 SMTPUTF8\r\n"
            )  # fmt: skip
        if verb == "AUTH":
            said = base64.b64decode(line.split(" ")[2]).decode().split("\0")
            return b"235 welcome\r\n" if said == ["", "ada", self.password] else b"535 who are you\r\n"
        if verb == "RCPT" and self.refuses_mail:
            return b"550 no such mailbox\r\n"
        return b"250 ok\r\n"

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"354 go on\r\n")
        await writer.drain()
        self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
        writer.write(b"250 taken\r\n")

    def close(self) -> None:
        async def stop() -> None:
            self._server.close()
            rest = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
