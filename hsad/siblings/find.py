"""Everything like this one: objects that are like a query, with a stated share of false ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hsad.anomalies.opened import Scene, window_origin
from hsad.anomalies.vectors import VECTOR_SUFFIXES, Anomalies, write_anomalies
from hsad.engine.resume import Journal
from hsad.errors import OutputError, ParameterError
from hsad.explanation.names import with_names
from hsad.files import check_output, refuse_inputs
from hsad.job.files import OUTPUT_SUFFIXES, run_into
from hsad.job.job import Job
from hsad.job.learned import Learned
from hsad.job.options import RunOptions
from hsad.job.prepare import prepared
from hsad.job.remarks import remarks_on
from hsad.job.request import Request
from hsad.readers.libraries.library import Library
from hsad.record import Record
from hsad.siblings.detector import Siblings
from hsad.siblings.listed import listed
from hsad.siblings.results import Found, found_of

__all__ = ["REFUSED", "FindOutcome", "find", "find_to_file", "search"]

#: Options of runs that a search does not take: it learns the scene itself, on its bands.
REFUSED = ("pca", "background", "references", "parts", "compute")


@dataclass(frozen=True)
class FindOutcome(Record):
    """The outcome of a search that was written into files.

    Attributes
    ----------
    output : str
    scores : str or None
        The raster of cosines.
    found : int
        Number of listed objects.
    expected_false : float
        Expected number of false ones among them.
    smallest_share : float or None
        The smallest share of false ones that can be stated here; None where there is no peak at all.
    doubts : list of str
        Why the number should not be trusted, and whether the query is a material of the scene.
    queries : list of dict
        The figures of each query.
    sentence : str
    remarks : list of str
        What the reader of the scene assumed, and fill that its file does not seem to declare.
    """

    output: str
    scores: str | None
    found: int
    expected_false: float
    smallest_share: float | None
    doubts: list[str]
    queries: list[dict[str, Any]]
    sentence: str
    remarks: list[str]


def find(cube: Any, like: Any, *, false_share: float = 0.1, **options: Any) -> Anomalies:
    """Return the objects of a scene that are like one or several queries.

    The score is the cosine of pixel and query about the mean of the scene, whitened by its covariance: the signed root
    of `hsad.detectors.targets.whitened.ACE`. An object is the highest pixel of 5 x 5. How many false ones to expect
    above a cosine is told by the negated cosine, and by 16 spectra that are as rough and as strong as the query and of
    no material. The list is as long as the stated share of false ones allows.

    Parameters
    ----------
    cube : (y, x, band) DataArray, (rows, cols, bands) array_like, or path
        As for `hsad.detect`.
    like : (int, int), str, (bands,) array_like, or sequence of these
        A pixel ``(row, col)``, ``"ROW,COL"``, an anomaly of a list ``"LIST.gpkg:ID"``, a kind ``"LIST.gpkg:B"``, a
        spectrum of a library ``"LIBRARY.sli:NAME"``, or a spectrum in the units of the scene. Several queries are
        looked for in one pass.
    false_share : float
        The share of false ones that the list may hold, above 0 and below 1.
    **options
        Fields of `hsad.job.options.RunOptions`: ``bands``, ``mask``, ``region``, ``workers``, ``scheduler``, …

    Returns
    -------
    Anomalies
        The highest cosine first, with the columns ``cosine``, ``fill`` (the contrast along the query, 1: that of the
        query), ``expected_false`` (expected number of false ones down to this one) and ``like`` (the query). The pixels
        of the query, and those at most two away, are not listed. ``threshold["smallest_share"]`` is the smallest share
        that can be stated here, and ``threshold["doubts"]`` says why the number should not be trusted.

    Raises
    ------
    HsadError
        When an option is wrong, the query cannot be found, or the pixels do not allow it.

    Examples
    --------
    >>> import numpy as np, hsad
    >>> random = np.random.default_rng(0)
    >>> scene = 10 + random.normal(size=(60, 60, 40))
    >>> paint = 3 * np.sin(np.arange(40) / 2)
    >>> for row, col in [(10, 10), (20, 45), (50, 30), (40, 8)]:
    ...     scene[row, col] += paint
    >>> found = hsad.find(scene, like=(10, 10), false_share=0.2)
    >>> sorted(zip(found.columns["row"].tolist(), found.columns["col"].tolist()))
    [(20, 45), (40, 8), (50, 30)]
    """
    with prepared(cube, _request(like, false_share, options)) as job:
        return listed(search(job, false_share), job)


def find_to_file(
    scene: str | Path,
    output: str | Path,
    like: Any,
    *,
    false_share: float = 0.1,
    scores: str | Path | None = None,
    library: str | Path | None = None,
    overwrite: bool = False,
    restart: bool = False,
    **options: Any,
) -> FindOutcome:
    """Write the objects that are like a query into a list, and their cosines into a raster.

    The passes that are finished lie in a folder ``OUTPUT.unfinished`` beside the list; the same call continues a run
    that was ended early.

    Parameters
    ----------
    scene : path
    output : path
        As for `hsad.write_anomalies`.
    like, false_share, **options
        As for `find`.
    scores : path, optional
        Raster of the cosine of each pixel with the query that it is most like.
    library : path, optional
        A spectral library, as `hsad.explain` takes it: the column ``most_like`` says what the objects are most like.
    overwrite, restart : bool
        As for `hsad.detect_to_file`.

    Raises
    ------
    HsadError
        As `find`; when a file cannot be written.
    """
    request = _request(like, false_share, options)
    opened = None if library is None else Library.open(library)
    target = check_output(output, VECTOR_SUFFIXES, overwrite=overwrite)
    if scores is not None and Path(scores).absolute() == target.absolute():
        raise OutputError(f"{scores}: the list and the raster need two names")
    with prepared(scene, request) as job:
        refuse_inputs(target, job.inputs)
        if scores is not None:
            check_output(scores, OUTPUT_SUFFIXES, overwrite=overwrite)
        folder = target.with_name(f"{target.name}.unfinished")
        with Journal(folder, job.fingerprint, restart=restart, unchanged=job.check_unchanged) as journal:
            learned = job.learn(journal)
            found = _found(job, learned, false_share)
            anomalies = listed(found, job)
            if opened is not None:
                beside = Scene.of(scene, anomalies.grid, window_origin(request.run), request.run)
                anomalies = with_names(anomalies, beside, opened, job.engine)
            if scores is not None:
                run_into(
                    replace(job, background=learned), Path(scores), overwrite=overwrite, restart=restart,
                    save_background=None,
                )  # fmt: skip
            write_anomalies(anomalies, target, overwrite=overwrite)
        remarks = remarks_on(job.scene.cube)
    told = anomalies.threshold
    return FindOutcome(
        output=str(target),
        scores=None if scores is None else str(scores),
        found=len(anomalies),
        expected_false=told["expected_false"],
        smallest_share=told["smallest_share"],
        doubts=list(told["doubts"]),
        queries=list(told["queries"]),
        sentence=told["sentence"],
        remarks=remarks,
    )


def search(job: Job, false_share: float) -> list[Found]:
    """Return what each query of a prepared job finds."""
    return _found(job, job.learn(), false_share)


def _found(job: Job, learned: Learned, false_share: float) -> list[Found]:
    detector: Any = job.detector
    background: Any = learned.background
    return found_of(background, detector.named, false_share)


def _request(like: Any, false_share: float, options: dict[str, Any]) -> Request:
    """Return the request of a search.

    Raises
    ------
    ParameterError
    """
    if not 0 < false_share < 1:
        raise ParameterError(f"false_share must be above 0 and below 1, not {false_share!r}")
    for name in REFUSED:
        if options.get(name) is not None:
            raise ParameterError(f"{name}: a search for siblings takes no {name}")
    run, others = RunOptions.split(options)
    if others:
        raise ParameterError(f"find has no option {next(iter(others))!r}")
    return replace(Request.of(Siblings(target=like), {}), run=run)
