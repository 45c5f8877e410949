"""EnMAP L1C/L2A and DESIS: GeoTIFF, metadata and quality layers, as the German ground segment delivers them."""

from __future__ import annotations

import numpy as np
import rasterio

from granules import COLS, ROWS, stored
from hsad.synthetic import products
from hsad.synthetic.products import write_tiff

TRANSFORM = rasterio.Affine(30.0, 0.0, 364095.0, 0.0, -30.0, 5809965.0)
ENMAP = products.ENMAP_STEM
DESIS = "DESIS-HSI-L2A-DT0512345678_004-20210101T000000-V0213-"
#: Two of the VNIR, then two of the SWIR that lie between them and after.
ENMAP_WAVELENGTHS = [420.0, 1000.0, 905.0, 2400.0]
DESIS_WAVELENGTHS = [401.9, 500.2, 999.5]


def enmap_metadata(level="L2A", *, gain=True):
    """Return the metadata of four bands, the second of which is empty."""
    bands = [
        {"wavelengthCenterOfBand": centre, "FWHMOfBand": 6 + number}
        | ({"GainOfBand": f"{number}e-04", "OffsetOfBand": number / 10} if gain else {})
        for number, centre in enumerate(ENMAP_WAVELENGTHS, start=1)
    ]
    return products.enmap_metadata(bands, level=level, empty={2})


def write_enmap(folder, *, level="L2A", cog=False, layers=True, stem=ENMAP):
    """Write a product: a cloud at (0, 0), its shadow at (0, 1), cirrus at (0, 2), haze at (0, 3), background in the
    last row, saturation at (3, 0); the pixel mask flags band 3 at (2, 2)."""
    nodata = -32768 if level == "L2A" else 0
    values = stored(len(ENMAP_WAVELENGTHS))
    values[4] = nodata
    stem, some = stem.replace("L2A", level), quality_layers() if layers else {}
    grid = {"crs": "EPSG:32633", "transform": TRANSFORM}
    image = products.write_enmap(folder, values, enmap_metadata(level), some, stem=stem, cog=cog, nodata=nodata, **grid)
    for path in folder.glob(f"{stem}QL_QUALITY_TESTFLAGS*.TIF"):
        write_tiff(path, some["QL_QUALITY_TESTFLAGS"], nodata=255, **grid)  # as delivered
    return image


def quality_layers():
    layers = {}
    places = {"CLOUD": (0, 0), "CLOUDSHADOW": (0, 1), "CIRRUS": (0, 2), "HAZE": (0, 3), "SNOW": (1, 0)}
    for name, place in places.items():
        layers[name] = np.zeros((ROWS, COLS, 1), "u1")
        layers[name][place] = 1
    layers["CLASSES"] = np.ones((ROWS, COLS, 1), "u1")
    layers["CLASSES"][3, 3], layers["CLASSES"][4] = 2, 3
    # Everywhere of low quality (bit 1); saturated in SWIR, interpolated in VNIR, an artefact in VNIR.
    layers["TESTFLAGS"] = np.full((ROWS, COLS, 1), 0b10, "u1")
    layers["TESTFLAGS"][3, :3, 0] |= np.array([1 << 4, 1 << 3, 1 << 7], "u1")
    pixels = np.zeros((ROWS, COLS, len(ENMAP_WAVELENGTHS)), "u1")
    pixels[2, 2, 2] = 1
    return {f"QL_QUALITY_{name}": layer for name, layer in layers.items()} | {"QL_PIXELMASK": pixels}


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
