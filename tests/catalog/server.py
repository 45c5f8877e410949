"""A server on this machine, which does what servers and connections do."""

from __future__ import annotations

import hashlib
import http.server
import random
import socket
from dataclasses import dataclass, field

CONTENT = random.Random(1).randbytes(3_000_000)  # noqa: S311  the same in each process of the tests
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@dataclass
class Site:
    """What the server on this machine does, and what it was asked."""

    content: bytes = CONTENT
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    breaks: list[int] = field(default_factory=list)  # bytes sent before the connection breaks, one for each request
    states_length: bool = True
    length: int | None = None  # stated instead of the true one
    statuses: list[int] = field(default_factory=list)  # answered first, one for each request
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/octet-stream"
    moved_to: str | None = None
    silent: bool = False
    after: dict[int, dict] = field(default_factory=dict)  # changes of the site before the request of this number
    asked: list[dict[str, str]] = field(default_factory=list)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def do_GET(self):
        site = self.server.site
        site.asked.append(dict(self.headers))
        vars(site).update(site.after.pop(len(site.asked), {}))
        self.close_connection = True
        if site.silent:
            self.server.released.wait(10)
            return
        if site.moved_to and self.path != "/moved":
            self.answer(302, {"Location": site.moved_to, "Content-Length": "0"})
            return
        if site.statuses:
            self.answer(site.statuses.pop(0), {"Content-Length": "0", **site.headers})
            return
        start = self.start(site)
        if start >= len(site.content):
            self.answer(416, {"Content-Range": f"bytes */{len(site.content)}", "Content-Length": "0"})
            return
        headers = {"Content-Type": site.kind, **site.headers}
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(site.content) - 1}/{len(site.content)}"
        headers |= {name: mark for name, mark in (("ETag", site.etag), ("Last-Modified", site.modified)) if mark}
        body = site.content[start:]
        if site.states_length:
            headers["Content-Length"] = str(len(body) if site.length is None else site.length)
        self.answer(206 if start else 200, headers)
        if site.breaks:
            body = body[: site.breaks.pop(0)]
        self.wfile.write(body)
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)

    def start(self, site):
        """Return the first byte to send: the one asked for, if this version of the file was asked for."""
        asked = self.headers.get("Range")
        same = self.headers.get("If-Range") in (None, site.etag or site.modified)
        return int(asked.removeprefix("bytes=").rstrip("-")) if asked and site.ranges and same else 0

    def answer(self, status, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
