"""The bench of names: objects of a library's own spectra in real scenes."""

from __future__ import annotations

import numpy as np
import pytest

from hsad.bench import run_names
from hsad.errors import ParameterError
from hsad.readers.libraries.library import Library


@pytest.fixture(scope="module")
def library():
    wavelength = np.arange(400.0, 2460.0, 10.0)
    rng = np.random.default_rng(0)
    centres = np.repeat([600.0, 1200.0, 1900.0], 4)[:, None] + rng.normal(0, 25, (12, 1))
    spectra = 0.35 + 0.2 * np.tanh((wavelength - centres) / 200) + 0.1 * np.sin(wavelength / centres * 6)
    names = tuple(f"s{number}" for number in range(12))
    return Library(names, wavelength, spectra, ("red",) * 4 + ("grey",) * 4 + ("white",) * 4, "made")


@pytest.mark.long
def test_pure_objects_have_the_class_of_their_spectrum(data, library):
    report = run_names(data, library, objects=3, errors=(0.0,))
    assert len(report.objects) == 8 * 4 * 3
    assert report.right(1.0, 0.0) > 0.8
    named = [one.right for one in report.objects if one.named]
    assert len(named) > 40
    assert np.mean(named) > 0.9
    assert np.mean([one.named_without for one in report.objects]) < 0.2
    assert report.table().count("\n") == 4


def test_names_without_scenes_or_classes_are_refused(library, tmp_path):
    with pytest.raises(ParameterError, match="--names needs the folder of benchmark scenes"):
        run_names(None, library)
    plain = Library(library.names, library.wavelength, library.spectra, (), "plain")
    with pytest.raises(ParameterError, match="--names needs a library with classes: plain has none"):
        run_names(tmp_path, plain)
