"""The detectors by name: those of hsad, one line each, and those of other installed packages.

A package offers detectors through the entry point group ``hsad.detectors``. A detector that a user names as
``package.module:Class`` needs no entry point. A class is imported when it is first asked for.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib
import re
import warnings
from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points

from hsad.detectors.base import Detector
from hsad.errors import HsadWarning, ParameterError

__all__ = ["DETECTORS", "ENTRY_POINTS", "Registry", "detector_class"]

#: The group in which packages list their detectors.
ENTRY_POINTS = "hsad.detectors"

#: The methods of hsad by name, in the order in which they are listed.
_BUILT_IN = {
    "auto": "hsad.detectors.auto:Auto",
    "rx": "hsad.detectors.global_rx:GlobalRX",
    "lrx": "hsad.detectors.ring.local_rx:LocalRX",
    "crd": "hsad.detectors.ring.collaborative:CRD",
    "kcrd": "hsad.detectors.ring.collaborative:KernelCRD",
    "srd": "hsad.detectors.ring.sparse:SRD",
    "rpca": "hsad.detectors.low_rank.rpca:RPCA",
    "rpca-bands": "hsad.detectors.low_rank.band_rpca:BandRPCA",
    "low-rank": "hsad.detectors.low_rank.patches:LowRank",
    "ace": "hsad.detectors.targets.whitened:ACE",
    "mf": "hsad.detectors.targets.whitened:MF",
    "cem": "hsad.detectors.targets.whitened:CEM",
    "sam": "hsad.detectors.targets.angle:SAM",
    "chronochrome": "hsad.detectors.change.anomalous:Chronochrome",
    "covariance-equalisation": "hsad.detectors.change.anomalous:CovarianceEqualisation",
    "hyperbolic": "hsad.detectors.change.anomalous:Hyperbolic",
    "unrolled-rpca": "hsad.detectors.deep.unrolled:UnrolledRPCA",
    "rpcanet": "hsad.detectors.deep.rpcanet:RPCANet",
    "deep-rx": "hsad.detectors.deep.deep_rx:DeepRX",
    "patchcore": "hsad.detectors.deep.patchcore:PatchCore",
    "padim": "hsad.detectors.deep.padim:PaDiM",
    "autoencoder": "hsad.detectors.deep.autoencoder:Autoencoder",
}

# Python's dotted names, a colon, a class (perhaps within another).
_NAMED = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class Registry(Mapping[str, type[Detector]]):
    """Every detector by name: those of hsad, then those of installed packages, then those that users named.

    Parameters
    ----------
    built_in : mapping of str to str
        ``module:Class`` of hsad's detectors by name.

    Notes
    -----
    A detector that cannot be loaded is left out of the list, with one warning. Asked for by name, it is an error that
    says why.

    Examples
    --------
    >>> import hsad
    >>> list(hsad.DETECTORS)[:3]
    ['auto', 'rx', 'lrx']
    >>> hsad.DETECTORS["rx"].__name__
    'GlobalRX'
    """

    def __init__(self, built_in: Mapping[str, str]) -> None:
        self._built_in = dict(built_in)
        self._classes: dict[str, type[Detector]] = {}
        self._broken: dict[str, str] = {}
        self._packages: dict[str, str] = {}
        self._offers: dict[str, EntryPoint] | None = None

    def __getitem__(self, name: str) -> type[Detector]:
        if name in self._classes:
            return self._classes[name]
        if name in self._built_in:
            return self._load(name, self._built_in[name])
        if name in self._offered():
            return self._load(name, self._offered()[name].value)
        if _NAMED.fullmatch(name):
            return self._load(name, name)
        raise KeyError(name)

    def __contains__(self, name: object) -> bool:
        # Mapping's own method would load the class.
        return name in self._built_in or name in self._classes or name in self._offered()

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        for name in self._offered():
            try:
                self[name]
            except ParameterError as error:
                if name not in self._broken:
                    self._broken[name] = str(error)
                    warnings.warn(f"left out: {error}", HsadWarning, stacklevel=2)
            else:
                yield name
        yield from [name for name in self._classes if name not in self._built_in and name not in self._offered()]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def package(self, name: str) -> str | None:
        """Return the installed package that offers a detector; None for one of hsad."""
        return self._packages.get(name) if name not in self._built_in else None

    def name_of(self, cls: type[Detector]) -> str:
        """Return the name under which `make_detector` finds a class: its method, or ``module:Class``."""
        place = f"{cls.__module__}:{cls.__qualname__}"
        for name, built_in in self._built_in.items():
            if built_in == place:
                return name
        top = cls.__module__.partition(".")[0]
        for name, offer in self._offered().items():
            with contextlib.suppress(ParameterError):
                if offer.module.partition(".")[0] == top and self[name] is cls:
                    return name
        return place

    def class_homes(self) -> dict[str, str]:
        """Return the modules of hsad's detectors by the name of the class."""
        return {name: module for module, _, name in (place.partition(":") for place in self._built_in.values())}

    def near(self, name: str) -> str | None:
        """Return the method that is spelled most like a name, or whose class is; None if no spelling is close."""
        spellings = {_squashed(method): method for method in self}
        spellings |= {_squashed(self._class_name(method)): method for method in self}
        close = difflib.get_close_matches(_squashed(name), spellings, n=1)
        return spellings[close[0]] if close else None

    def _class_name(self, name: str) -> str:
        return (self._built_in.get(name) or self._classes[name].__name__).rpartition(":")[2]

    def _offered(self) -> dict[str, EntryPoint]:
        """Return the entry points of installed packages by name, without those that have a name of hsad's detectors."""
        if self._offers is None:
            self._offers = {}
            for offer in sorted(entry_points(group=ENTRY_POINTS), key=lambda offer: offer.name):
                package = offer.dist.name if offer.dist is not None else offer.module
                if offer.name in self._built_in or offer.name in self._offers:
                    owner = self._packages.get(offer.name, "hsad")
                    warnings.warn(
                        f"package {package}: the detector {offer.name!r} is {owner}'s already and is left out",
                        HsadWarning,
                        stacklevel=2,
                    )
                    continue
                self._offers[offer.name] = offer
                self._packages[offer.name] = package
        return self._offers

    def _load(self, name: str, place: str) -> type[Detector]:
        """Return a class, imported and put into the table of loaded classes.

        Raises
        ------
        ParameterError
            When it cannot be imported, or is no detector.
        """
        of = f" of the package {self._packages[name]}" if name in self._packages else ""
        what = f"method {name!r}{of}"
        module, _, path = place.partition(":")
        try:
            found: object = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except Exception as error:
            # A foreign module can fail in any way while it is imported.
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ParameterError(f"{what} cannot be loaded from {place} ({reason})") from error
        if not (isinstance(found, type) and issubclass(found, Detector)):
            raise ParameterError(f"{what}: {place} is no hsad.Detector")
        try:
            found.parameters()
        except ParameterError as error:
            raise ParameterError(f"{what}: {error}") from error
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            raise ParameterError(f"{what}: {place} is no frozen dataclass of parameters ({reason})") from error
        self._classes[name] = found
        return found


def _squashed(name: str) -> str:
    """Return a name in lower case without spaces, hyphens and underscores."""
    return re.sub(r"[\s_-]", "", name.lower())


#: Every method by name.
DETECTORS = Registry(_BUILT_IN)


def detector_class(method: str) -> type[Detector]:
    """Return the class of a method, or the class named as ``package.module:Class``.

    Raises
    ------
    ParameterError
        When there is no such method, with the choices. When a class cannot be loaded, with the cause.
    """
    if not isinstance(method, str):
        raise ParameterError(f"method: {method!r} is neither a name nor a detector; choose from {', '.join(DETECTORS)}")
    try:
        return DETECTORS[method]
    except KeyError:
        near = DETECTORS.near(method)
        hint = f" (did you mean {near!r}?)" if near else ""
        raise ParameterError(
            f"unknown method {method!r}{hint}; choose from {', '.join(DETECTORS)}, or name package.module:Class"
        ) from None
