"""The picture of the page `scale`: rings with guard windows of three sizes around an object.

Run ``python .ci/pictures/windows.py`` in the root of a clone.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.patches import Rectangle

SIDE, OUTER, LENGTH = 21, 15, 5
PICTURE = Path(__file__).parents[2] / "hsad/manual/pictures/windows.png"
GROUND, RING, OBJECT, SPOILED = "#eceae4", "#9db8d9", "#5b6a3a", "#d1495b"


def main() -> None:
    """Draw the three rings: at an end of the object, in its middle, and at its end with a large guard window."""
    figure, axes = plt.subplots(1, 3, figsize=(9, 3.5), layout="constrained")
    middle = SIDE // 2
    for ax, inner, shift, title in zip(
        axes,
        (3, 5, 9),
        (0, 0, LENGTH // 2),
        (
            "--inner 3: the object is in its own ring",
            "--inner 5: clean in the middle only",
            "--inner 9: clean everywhere",
        ),
        strict=True,
    ):
        rows, cols = np.indices((SIDE, SIDE)) - middle
        distance = np.maximum(abs(rows), abs(cols))
        ring = (distance <= OUTER // 2) & (distance > inner // 2)
        thing = (abs(rows) <= 1) & (abs(cols + shift) <= LENGTH // 2)
        classes = np.select([ring & thing, thing, ring], [3, 2, 1], 0)
        ax.imshow(classes, cmap=ListedColormap([GROUND, RING, OBJECT, SPOILED]), vmin=0, vmax=3)
        ax.set_xticks(np.arange(-0.5, SIDE), labels=[])
        ax.set_yticks(np.arange(-0.5, SIDE), labels=[])
        ax.grid(color="white", linewidth=0.6)
        ax.tick_params(length=0)
        for side, width in ((inner, 2.0), (OUTER, 2.0)):
            corner = middle - side / 2
            ax.add_patch(Rectangle((corner, corner), side, side, fill=False, color="#1d3557", linewidth=width))
        ax.plot(middle, middle, marker="x", color="white", markersize=7, markeredgewidth=2)
        ax.set_title(title, fontsize=9)
    handles = [Rectangle((0, 0), 1, 1, color=color) for color in (OBJECT, RING, SPOILED)]
    figure.legend(
        handles,
        ["object", "ring", "object in the ring"],
        loc="outside lower center",
        ncols=3,
        fontsize=9,
        frameon=False,
    )
    figure.savefig(PICTURE, dpi=90, facecolor="white")


if __name__ == "__main__":
    main()
