"""The time of acquisition of a scene, from a product's metadata or from its name."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from hsad.readers.envi.times import iso_time
from hsad.readers.rasters.hdf5 import text

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["between", "day", "stated_coverage", "time_in_name"]

# Names of the start and end time in the conventions for dataset discovery (ACDD), then in PRISMA.
_COVERAGE = (("time_coverage_start", "time_coverage_end"), ("Product_StartTime", "Product_StopTime"))
_IN_NAME = re.compile(r"(?<!\d)(?P<date>(19|20)\d{6})[Tt_]?(?P<time>\d{6})(?!\d)")


def between(start: str | None, stop: str | None) -> str | None:
    """Return the time of a scene in ISO 8601 (UTC), "START/END" if the product states both, or None without a time."""
    times = [iso_time(stated) if stated else None for stated in (start, stop)]
    known = list(dict.fromkeys(time for time in times if time is not None))
    return "/".join(known) or None


def stated_coverage(attrs: Mapping[str, Any]) -> str | None:
    """Return the time of a scene from the attributes of an HDF5 or netCDF file, or None without a time."""
    for pair in _COVERAGE:
        if pair[0] in attrs:
            return between(*(text(attrs[key]) if key in attrs else None for key in pair))
    return None


def time_in_name(name: str) -> str | None:
    """Return the first time in a name, such as 20220724T104526, in ISO 8601 (UTC); None without one."""
    for match in _IN_NAME.finditer(name):
        try:
            found = datetime.strptime(match["date"] + match["time"], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            continue
        return iso_time(found.isoformat())
    return None


def day(date: str, form: str) -> str | None:
    """Return the first and the last second of a day as "START/END", for products that state no time of day.

    Parameters
    ----------
    date : str
    form : str
        Format of the date for `datetime.datetime.strptime`.
    """
    try:
        start = datetime.strptime(date, form).replace(tzinfo=UTC)
    except ValueError:
        return None
    return between(start.isoformat(), (start + timedelta(days=1, seconds=-1)).isoformat())
