"""The time at which a scene was taken, as headers state it."""

from __future__ import annotations

import re
from datetime import UTC, datetime

__all__ = ["iso_time"]

_FORMATS = (
    "%d-%b-%Y %H:%M:%S",
    "%d %b %Y %H:%M:%S",
    "%b %d %Y %H:%M:%S",
    "%a %b %d %H:%M:%S %Y",
    "%Y/%m/%d %H:%M:%S",
    "%Y%m%dT%H%M%S",
    "%Y%m%d %H%M%S",
    "%Y%m%d",
)
_ZONED = re.compile(r"\s*(?:UTC|GMT)$", re.IGNORECASE)


def iso_time(text: str) -> str | None:
    """Return a time in ISO 8601 with its zone, UTC where none is stated; None where the text is no time.

    Parameters
    ----------
    text : str
        As ENVI headers have it (``2021-05-30T10:14:45.5Z``), and in the other usual orders that are not ambiguous:
        months as words, or the year first.
    """
    said = _ZONED.sub("", " ".join(text.strip().strip("{}\"'").split()))
    found = _iso(said) or next(filter(None, (_parsed(re.sub(r"\.\d+$", "", said), form) for form in _FORMATS)), None)
    if found is None:
        return None
    utc = found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    return utc.isoformat().replace("+00:00", "Z")


def _iso(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def _parsed(text: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(text, form)  # noqa: DTZ007  the caller adds the zone
    except ValueError:
        return None
