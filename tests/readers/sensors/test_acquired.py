"""When a scene was acquired: from the metadata of products, else from their names."""

import re

import h5py
import numpy as np
import pytest
from granules import aviris, dlr, emit, neon, pace, prisma, single_files, tanager

import hsad
from hsad.readers.acquired import between, time_in_name


def attributes(path, **attrs):
    with h5py.File(path, "r+") as file:
        file.attrs.update({key: np.bytes_(value) for key, value in attrs.items()})
    return path


def enmap(folder):
    path = dlr.write_enmap(folder)
    metadata = next(folder.glob("*METADATA.XML"))
    times = "<startTime>2022-06-27T10:45:48.123Z</startTime><stopTime>2022-06-27T10:45:53Z</stopTime>"
    coverage = f"<base><temporalCoverage>{times}</temporalCoverage>"
    metadata.write_text(metadata.read_text().replace("<base>", coverage))
    return path


def hyperion(folder):
    path = single_files.write_hyperion(folder)
    path.write_text(path.read_text() + 'START_TIME = "2011 123 05:32:11"\nEND_TIME = "2011 123 05:32:25"\n')
    return path


def granule(folder):
    return attributes(
        emit.write_cube(folder),
        time_coverage_start="2022-09-03T16:31:29+0000",
        time_coverage_end="2022-09-03T16:31:41+0000",
    )


def ocean(folder):
    return attributes(pace.write_l2(folder), time_coverage_start="2024-05-01T17:00:07.000Z")


def grid(folder):
    times = {"Product_StartTime": "2020-05-11T10:20:30.5", "Product_StopTime": "2020-05-11T10:20:34.5"}
    return attributes(prisma.write(folder), **times)


STATED = {
    "EnMAP": (enmap, "2022-06-27T10:45:48.123000Z/2022-06-27T10:45:53Z"),
    "EnMAP by its name": (dlr.write_enmap, "2022-06-27T10:45:48Z"),
    "EMIT": (granule, "2022-09-03T16:31:29Z/2022-09-03T16:31:41Z"),
    "PACE": (ocean, "2024-05-01T17:00:07Z"),
    "PACE by its name": (pace.write_l2, "2024-05-01T17:00:00Z"),
    "PRISMA": (grid, "2020-05-11T10:20:30.500000Z/2020-05-11T10:20:34.500000Z"),
    "Hyperion": (hyperion, "2011-05-03T05:32:11Z/2011-05-03T05:32:25Z"),
    "Hyperion by its name": (single_files.write_hyperion, "2011-05-03T00:00:00Z/2011-05-03T23:59:59Z"),
    "Wyvern": (single_files.write_wyvern, "2024-12-29T16:52:03Z"),
    "NEON mosaic": (neon.write, None),
}


@pytest.mark.parametrize("product", STATED)
def test_products_state_when_they_were_acquired(product, tmp_path):
    build, expected = STATED[product]
    assert hsad.open_cube(build(tmp_path)).attrs.get("acquired") == expected


@pytest.mark.parametrize(
    "write, pattern",
    [
        (aviris.write_classic, r"^19\d\d-\d\d-\d\dT00:00:00Z/19\d\d-\d\d-\d\dT23:59:59Z$"),
        (aviris.write_ng, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
        (aviris.write_netcdf, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
        (tanager.write, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
        (dlr.write_desis, r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$"),
    ],
)
def test_the_time_in_a_products_name_is_its_own(write, pattern, tmp_path):
    path = write(tmp_path)
    said = hsad.open_cube(path).attrs["acquired"]
    digits = "".join(character for character in path.name if character.isdigit())
    assert said[2:10].replace("-", "") in digits
    assert re.match(pattern, said)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("HSHL1G_N320W1032_20221030160051_20231127193053.tif", "2022-10-30T16:00:51Z"),
        ("NEON_D14_WGEW_DP1_20180905_161438_radiance.h5", "2018-09-05T16:14:38Z"),
        ("DESIS-HSI-L2A-DT0327187928_007-20190610T023158-V0210", "2019-06-10T02:31:58Z"),
        ("NEON_D01_HARV_DP3_732000_4714000_reflectance.h5", None),
        ("scene_20221345T999999.tif", None),
        ("scene_20220724.tif", None),
    ],
)
def test_times_in_names(name, expected):
    assert time_in_name(name) == expected


def test_equal_ends_are_one_time_and_texts_without_a_time_are_none():
    assert between("2022-01-01T00:00:00", "2022-01-01T00:00:00Z") == "2022-01-01T00:00:00Z"
    assert between("yesterday", None) is None
