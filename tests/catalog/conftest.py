"""The server that downloads come from."""

from __future__ import annotations

import http.server
import threading

import pytest
from server import Handler, Site

from hsad.catalog import download


@pytest.fixture
def site(monkeypatch):
    monkeypatch.setattr(download, "_PAUSE", 0.0)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.site, server.released = Site(), threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    server.site.url = f"http://127.0.0.1:{server.server_port}/scene.bin"
    yield server.site
    server.released.set()
    server.shutdown()
    server.server_close()
    thread.join()
