"""Times of acquisition in headers."""

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
    """Return a time in ISO 8601 and UTC, or None if the text is no time; a text without a zone is in UTC.

    Parameters
    ----------
    text : str
        A time in the format of ENVI headers (``2021-05-30T10:14:45.5Z``), or in another usual format that is not
        ambiguous, with the month as a word or the year first.
    """
    unzoned = _ZONED.sub("", " ".join(text.strip().strip("{}\"'").split()))
    found = _iso(unzoned) or next(
        filter(None, (_parsed(re.sub(r"\.\d+$", "", unzoned), form) for form in _FORMATS)), None
    )
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
