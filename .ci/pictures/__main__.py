"""Make all pictures of the README and the manual again: `python .ci/pictures`. Each script here makes some."""

import runpy
import sys
from pathlib import Path

for script in sorted(Path(__file__).parent.glob("[!_]*.py")):
    sys.stdout.write(f"{script.name}\n")
    runpy.run_path(str(script), run_name="__main__")
