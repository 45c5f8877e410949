"""Prints the lowest versions that pyproject.toml allows, as constraints of pip: `python .ci/lowest.py [EXTRA …]`.

python -m pip install -c <(python .ci/lowest.py zarr) ".[zarr]"
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
optional = project["optional-dependencies"]
texts = project["dependencies"] + [text for extra in sys.argv[1:] for text in optional[extra]]
for requirement in map(Requirement, texts):
    for bound in requirement.specifier:
        if bound.operator == ">=":
            sys.stdout.write(f"{requirement.name}=={bound.version}\n")
