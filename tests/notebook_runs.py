"""Runs of the notebooks: in a kernel of their own, and compared with the outputs that are stored in the files.

``python tests/notebook_runs.py notebooks/03_false_alarms.ipynb`` runs a notebook and stores its outputs.
"""

from __future__ import annotations

import base64
import io
import os
import re
import sys
import tempfile
from pathlib import Path

import nbformat

#: Numbers may differ by this share of their value, or by 1 in the last digit that is printed. A cell may
#: state its own share in its metadata, {"tolerance": 0.1}, or that it is not compared, {"tags": ["varies"]}.
TOLERANCE = 0.02

_NUMBER = re.compile(r"(?<![\w.])[-−+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
_PLACE_OF_WARNING = re.compile(r"^\S*ipykernel_\d+\S*\.py:\d+: ", re.MULTILINE)
_KEPT_METADATA = ("tolerance", "tags")


def run(path, data):
    """Return the notebook with fresh outputs.

    Parameters
    ----------
    path : Path
    data : Path
        Folder of real scenes. In an empty folder the notebook finds none, and makes its own.
    """
    from nbclient import NotebookClient

    book = nbformat.read(path, as_version=4)
    # Without MPLBACKEND the kernel takes its own backend, and figures are outputs of a cell. Two notebooks at a time
    # are faster with one thread for linear algebra each.
    environment = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    environment.setdefault("OPENBLAS_NUM_THREADS", "1")
    client = NotebookClient(
        book,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        resources={"metadata": {"path": str(Path(path).parent)}},
    )
    client.execute(env={**environment, "HSAD_DATA": str(data)})
    for cell in code_cells(book):
        cell.outputs = _joined(cell.outputs)
    return book


def code_cells(book):
    return [cell for cell in book.cells if cell.cell_type == "code"]


def _joined(outputs):
    """Return outputs in which pieces of one stream are one, and warnings do not name the file of the kernel."""
    joined = []
    for output in outputs:
        if output.output_type == "stream":
            if joined and joined[-1].get("name") == output.name:
                joined[-1].text += output.text
                continue
            output.text = _PLACE_OF_WARNING.sub("", output.text)
        joined.append(output)
    return joined


def printed(cell):
    """Return what a cell printed and the text of what it shows; pictures and HTML are left out."""
    texts = {"stdout": "", "stderr": "", "shown": ""}
    for output in cell.outputs:
        if output.output_type == "stream":
            texts[output.name] += output.text
        elif "image/png" not in output.get("data", {}):
            texts["shown"] += output.get("data", {}).get("text/plain", "") + "\n"
    return texts


def differences(stored, fresh):
    """Return a line for each text or number of two runs of a notebook that differs by more than the tolerance."""
    found = []
    for number, (one, other) in enumerate(zip(code_cells(stored), code_cells(fresh), strict=True), start=1):
        if "varies" in one.metadata.get("tags", ()):
            continue
        tolerance = one.metadata.get("tolerance", TOLERANCE)
        for name, text in printed(one).items():
            found += [f"cell {number}, {name}: {line}" for line in _compare(text, printed(other)[name], tolerance)]
    return found


def _compare(stored, fresh, tolerance):
    words, other_words = (" ".join(_NUMBER.sub("#", text).split()) for text in (stored, fresh))
    if words != other_words:
        return [f"stored {stored!r}, now {fresh!r}"]
    pairs = zip(_NUMBER.findall(stored), _NUMBER.findall(fresh), strict=True)
    return [f"stored {one}, now {other}" for one, other in pairs if not _near(one, other, tolerance)]


def _near(one, other, tolerance):
    mantissa, _, exponent = one.partition("e")
    last_digit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    a, b = (float(text.replace("−", "-")) for text in (one, other))
    return abs(a - b) <= max(1.001 * last_digit, tolerance * abs(a))


def store(path):
    """Run a notebook without real scenes and write it with its outputs, pictures in 256 colours."""
    with tempfile.TemporaryDirectory() as nothing:
        book = run(path, nothing)
    for cell in code_cells(book):
        cell.metadata = {name: cell.metadata[name] for name in _KEPT_METADATA if name in cell.metadata}
        for output in cell.outputs:
            data = output.get("data", {})
            if "image/png" in data:
                data["image/png"] = _fewer_colours(data["image/png"])
            output.pop("metadata", None)
            if output.output_type in {"display_data", "execute_result"}:
                output.metadata = {}
    book.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    nbformat.write(book, path)


def _fewer_colours(png):
    from PIL import Image

    picture = Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small = io.BytesIO()
    picture.save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


if __name__ == "__main__":
    for name in sys.argv[1:]:
        store(Path(name))
