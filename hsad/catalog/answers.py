"""Answers of servers to a request for a file, or for the rest of one."""

from __future__ import annotations

import http.client
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, Self

from hsad import __version__
from hsad.errors import SceneError

__all__ = ["Answer", "Broken", "Refused", "Wanted", "answered"]

_TIMEOUT = 30.0  # seconds without a byte
_LONGEST_WAIT = 60.0  # seconds that a server may ask for
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-(\d+)|\*)/(\d+|\*)")
_LATER = {408, 425, 429, 500, 502, 503, 504}


class Broken(Exception):  # noqa: N818  not an error of its own: another try may succeed
    """The connection failed in a way that another try may mend.

    Attributes
    ----------
    final : bool
        Whether trying again is of no use before anything has come: an unknown host, no server at the address.
    wait : float or None
        Seconds that the server asks to wait.
    """

    def __init__(self, reason: str, *, final: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.final = final
        self.wait = wait


class Refused(Exception):  # noqa: N818  becomes a SceneError with the address
    """The server will not send the file."""


@dataclass(frozen=True)
class Wanted:
    """A file that is wanted.

    Attributes
    ----------
    url : str
    size : int or None
        Bytes, if they are known.
    resumable : bool
        Whether a checksum will tell if two halves belong together.
    """

    url: str
    size: int | None
    resumable: bool


class Answer:
    """A response of a server, to be read in a ``with`` block.

    Attributes
    ----------
    resumes : bool
        Whether the bytes go on where they were asked to; otherwise they are the file from its start.
    total : int or None
        Bytes of the whole file, if the server says so.
    version : str or None
        The server's mark of this version of the file.
    """

    def __init__(self, response: Any, *, resumes: bool, total: int | None) -> None:
        self.resumes = resumes
        self.total = total
        self.version = None if response is None else _version(response)
        self._response = response

    def read(self, most: int) -> bytes:
        """Return the next bytes, none at the end.

        Raises
        ------
        Broken
            When the connection breaks or is silent for too long.
        """
        if self._response is None:
            return b""
        try:
            return bytes(self._response.read1(most) if hasattr(self._response, "read1") else self._response.read(most))
        except (OSError, http.client.HTTPException) as error:
            raise Broken(_reason(error)) from error

    def close(self) -> None:
        """Give up the rest."""
        if self._response is not None:
            self._response.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def answered(wanted: Wanted, start: int, version: str | None) -> Answer:
    """Ask a server for a file from its byte `start` on, and return the answer.

    Parameters
    ----------
    wanted : Wanted
    start : int
        Bytes that are there already.
    version : str or None
        The mark of their version: if the server has another version now, the answer is the whole file.

    Raises
    ------
    Broken, Refused
    """
    request = urllib.request.Request(  # noqa: S310  the schemes are those of `Asset.url`
        wanted.url, headers={"User-Agent": f"hsad/{__version__}", "Accept-Encoding": "identity"}
    )
    if start:
        request.add_header("Range", f"bytes={start}-")
        if version is not None:
            request.add_header("If-Range", version)
    try:
        response = _OPENER.open(request, timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        with error:
            if error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE and start:
                if _range(error)[1] == start:
                    return Answer(None, resumes=True, total=start)
                return answered(wanted, 0, None)
            raise _refusal(error) from error
    except urllib.error.URLError as error:
        raise _failure(error.reason) from error
    except (OSError, http.client.HTTPException) as error:
        raise Broken(_reason(error)) from error
    return _understood(response, wanted, start, version)


def _understood(response: Any, wanted: Wanted, start: int, version: str | None) -> Answer:
    """Return a response as an answer, after a look at its headers."""
    headers = response.headers
    encoding = headers.get("Content-Encoding", "identity")
    kind = headers.get_content_type()
    if encoding != "identity":
        response.close()
        raise Refused(f"the server sends the file packed ({encoding}), which was not asked for")
    if kind == "text/html" and PurePosixPath(urllib.parse.urlsplit(wanted.url).path).suffix not in {".html", ".htm"}:
        response.close()
        raise Refused("the server sends a web page instead of the file; open the address in a browser")
    if getattr(response, "status", None) == http.HTTPStatus.PARTIAL_CONTENT:
        first, total = _range(response)
        now = _version(response)
        if first != start or (version is not None and now is not None and now != version):
            response.close()
            return answered(wanted, 0, None)
        return Answer(response, resumes=True, total=total)
    length = headers.get("Content-Length", "")
    return Answer(response, resumes=False, total=int(length) if length.isdigit() else None)


def _range(response: Any) -> tuple[int | None, int | None]:
    """Return the first byte and the size of the whole file that a response states."""
    found = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    if found is None:
        return None, None
    first, _, total = found.groups()
    return None if first is None else int(first), None if total == "*" else int(total)


def _version(response: Any) -> str | None:
    """Return the mark of a version that `If-Range` takes: an ETag that is not weak, or the time of the last change."""
    tag = response.headers.get("ETag", "").strip()
    if tag.startswith('"'):
        return str(tag)
    return response.headers.get("Last-Modified") or None


def _refusal(error: urllib.error.HTTPError) -> Broken | Refused:
    """Return what an HTTP status other than success means."""
    said = f"{error.code} {error.reason}".strip()
    if error.code in _LATER:
        asked = error.headers.get("Retry-After", "")
        return Broken(f"the server answers {said}", wait=min(float(asked), _LONGEST_WAIT) if asked.isdigit() else None)
    if error.code in {401, 403, 407}:
        return Refused(f"the server asks for a login or allows no access ({said})")
    if error.code in {404, 410}:
        return Refused(f"the server has no such file any more ({said})")
    return Refused(f"the server answers {said}")


def _failure(reason: object) -> Broken | Refused:
    """Return what it means that a server was not reached."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return Refused(f"the server's certificate is not trusted ({reason.verify_message})")
    if isinstance(reason, FileNotFoundError | IsADirectoryError | PermissionError):
        return Refused(_reason(reason))
    if isinstance(reason, socket.gaierror):
        return Broken("the name of the server is not known here: is there a network?", final=True)
    if isinstance(reason, ConnectionRefusedError):
        return Broken("no server answers at this address: connection refused", final=True)
    return Broken(_reason(reason))


def _reason(error: object) -> str:
    if isinstance(error, TimeoutError):
        return f"no byte came for {_TIMEOUT:g} s"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended before the file did"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirections, but not from an encrypted connection to one that is not, nor to other protocols."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request of the new address."""
        allowed = {"https": {"https"}, "http": {"http", "https"}}.get(req.type, set())
        if urllib.parse.urlsplit(newurl).scheme not in allowed:
            raise SceneError(f"{req.full_url}: the server leads to {newurl}, which is not followed")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_OPENER = urllib.request.build_opener(_Redirects)
