"""EnMAP L1C/L2A and DESIS: GeoTIFF, metadata and quality layers, as the German ground segment delivers them."""

from __future__ import annotations

import warnings

import numpy as np
import rasterio

from granules import COLS, ROWS, stored

TRANSFORM = rasterio.Affine(30.0, 0.0, 364095.0, 0.0, -30.0, 5809965.0)
ENMAP = "ENMAP01-____L2A-DT0000001234_20220627T104548Z_002_V010400_20230101T000000Z-"
DESIS = "DESIS-HSI-L2A-DT0512345678_004-20210101T000000-V0213-"
#: Two of the VNIR, then two of the SWIR that lie between them and after.
ENMAP_WAVELENGTHS = [420.0, 1000.0, 905.0, 2400.0]
DESIS_WAVELENGTHS = [401.9, 500.2, 999.5]


def write_tiff(path, values, **profile):
    rows, cols, bands = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", rasterio.errors.NotGeoreferencedWarning)
        with rasterio.open(
            path, "w", driver=profile.pop("driver", "GTiff"), height=rows, width=cols, count=bands, dtype=values.dtype,
            **profile,
        ) as dataset:  # fmt: skip
            dataset.write(np.moveaxis(values, 2, 0))


def enmap_metadata(level="L2A", *, gain=True):
    bands = "".join(
        f'<bandID number="{number}"><wavelengthCenterOfBand>{centre}</wavelengthCenterOfBand>'
        f"<FWHMOfBand>{6 + number}</FWHMOfBand>"
        + (f"<GainOfBand>{number}e-04</GainOfBand><OffsetOfBand>{number / 10}</OffsetOfBand>" if gain else "")
        + "</bandID>"
        for number, centre in enumerate(ENMAP_WAVELENGTHS, start=1)
    )
    # The second band is empty.
    statistics = "".join(
        f'<bandID number="{number}"><mean>{-1000000 if number == 2 else 55}</mean>'
        f"<stdDeviation>{0 if number == 2 else 7}</stdDeviation></bandID>"
        for number in range(1, 5)
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><level_X xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
        f"<base><level>{level}</level></base>"
        f"<specific><bandCharacterisation>{bands}</bandCharacterisation></specific>"
        f"<product><bandStatistics>{statistics}</bandStatistics></product></level_X>"
    )


def write_enmap(folder, *, level="L2A", cog=False, layers=True, stem=ENMAP):
    """Write a product: a cloud at (0, 0), its shadow at (0, 1), cirrus at (0, 2), haze at (0, 3), background in the
    last row, saturation at (3, 0); the pixel mask flags band 3 at (2, 2)."""
    suffix = "_COG" if cog else ""
    stem = stem.replace("L2A", level)
    nodata = -32768 if level == "L2A" else 0
    values = stored(len(ENMAP_WAVELENGTHS))
    values[4] = nodata
    profile = {"crs": "EPSG:32633", "transform": TRANSFORM}
    image = folder / f"{stem}SPECTRAL_IMAGE{suffix}.TIF"
    if cog:
        write_tiff(image, values, driver="COG", nodata=nodata, **profile)
    else:
        write_tiff(image, values, interleave="band", nodata=nodata, **profile)
    (folder / f"{stem}METADATA.XML").write_text(enmap_metadata(level))
    if layers:
        places = {"CLOUD": (0, 0), "CLOUDSHADOW": (0, 1), "CIRRUS": (0, 2), "HAZE": (0, 3), "SNOW": (1, 0)}
        for name, place in places.items():
            layer = np.zeros((ROWS, COLS, 1), "u1")
            layer[place] = 1
            write_tiff(folder / f"{stem}QL_QUALITY_{name}{suffix}.TIF", layer, **profile)
        classes = np.ones((ROWS, COLS, 1), "u1")
        classes[3, 3], classes[4] = 2, 3
        write_tiff(folder / f"{stem}QL_QUALITY_CLASSES{suffix}.TIF", classes, **profile)
        # Everywhere of low quality (bit 1); saturated in SWIR, interpolated in VNIR, an artefact in VNIR.
        tests = np.full((ROWS, COLS, 1), 0b10, "u1")
        tests[3, :3, 0] |= np.array([1 << 4, 1 << 3, 1 << 7], "u1")
        write_tiff(folder / f"{stem}QL_QUALITY_TESTFLAGS{suffix}.TIF", tests, nodata=255, **profile)
        pixels = np.zeros((ROWS, COLS, len(ENMAP_WAVELENGTHS)), "u1")
        pixels[2, 2, 2] = 1
        write_tiff(folder / f"{stem}QL_PIXELMASK{suffix}.TIF", pixels, photometric="minisblack", **profile)
    return image


def write_desis(folder, level="L2A"):
    """Write a product: shadow at (0, 0), cloud over land at (0, 1), over water at (0, 2), water at (1, 1), and in L1B a
    mark at band 2 of (3, 2)."""
    stem = DESIS.replace("L2A", level)
    values = stored(len(DESIS_WAVELENGTHS))
    values[4, 3] = -32768
    profile = {"crs": "EPSG:32633", "transform": TRANSFORM, "nodata": -32768}
    image = folder / f"{stem}SPECTRAL_IMAGE.tif"
    write_tiff(image, values, **profile)
    bands = "".join(
        f"<band><bandNumber>{number}</bandNumber><wavelengthCenterOfBand>{centre}</wavelengthCenterOfBand>"
        f"<wavelengthWidthOfBand>3.5</wavelengthWidthOfBand><gainOfBand>0.0{number}</gainOfBand>"
        f"<offsetOfBand>{number}</offsetOfBand></band>"
        for number, centre in enumerate(DESIS_WAVELENGTHS, start=1)
    )
    (folder / f"{stem}METADATA.xml").write_text(
        "<hsi_doc><specific><bandCharacterisation>"
        f"{bands}</bandCharacterisation><interiorOrientation><band><x>1</x></band></interiorOrientation>"
        "</specific></hsi_doc>"
    )
    if level == "L1B":
        marks = np.zeros((ROWS, COLS, len(DESIS_WAVELENGTHS)), "u1")
        marks[3, 2, 1] = 4
        write_tiff(folder / f"{stem}QL_QUALITY.tif", marks)
    if level == "L2A":
        layers = np.zeros((ROWS, COLS, 10), "i2")
        layers[0, 0, 0] = layers[0, 1, 5] = layers[0, 2, 6] = layers[1, 1, 7] = 1
        layers[..., 8] = 25
        write_tiff(folder / f"{stem}QL_QUALITY-2.tif", layers, **profile)
    return image
