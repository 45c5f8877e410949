"""The tables that say how well the bank predicts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from hsad.anomalies.grades import GRADES
from hsad.bench.calibration.judge import STATED, Judged

__all__ = ["family_table", "scene_table"]


def scene_table(rows: Sequence[Judged]) -> str:
    """Return a table in Markdown of the native scenes; nothing without them.

    Its columns: the scene; its objects; objects and false anomalies in the default list, and how many false ones it
    states; the same where 10 false objects per 10⁴ pixels are asked for; reasons not to trust these numbers.
    """
    lines = [
        f"| {row.name.partition('/')[2]} | {row.objects} | {row.found}, {sum(row.false)} ({sum(row.p_false):.1f}) | "
        f"{row.delivered[0]} ({row.stated[0]:.1f}), {row.kept[0]} | {len(row.doubts) or ''} |"
        for row in rows
        if row.family == "native"
    ]
    if not lines:
        return ""
    heading = "| scene | objects | true, false (stated) | at 10: false (stated), true | doubts |"
    return "\n".join([heading, "|---" * 5 + "|", *lines])


def family_table(rows: Sequence[Judged]) -> str:
    """Return a table in Markdown of each family, and of all that is made from real scenes.

    Its columns: the family; the number of scenes; false objects delivered over stated, where 10, 3 and 1 per 10⁴ pixels
    are asked for; true and false anomalies in the default list, and how many false ones it states; the share of false
    ones among the almost certain, the likely and the possible anomalies.
    """
    rates = ", ".join(f"{rate:g}" for rate in STATED)
    lines = [f"| family | n | at {rates} | true, false (stated) | by grade |", "|---" * 5 + "|"]
    families = tuple(dict.fromkeys(row.family for row in rows))
    real = tuple(family for family in families if family != "synthetic")
    for name, chosen in (*((family, (family,)) for family in families), ("all real", real)):
        lines.append(_line(name, [row for row in rows if row.family in chosen]))
    return "\n".join(lines)


def _line(name: str, rows: Sequence[Judged]) -> str:
    if not rows:
        return f"| {name} | 0 | | | |"
    pooled = np.sum([row.delivered for row in rows], axis=0) / np.sum([row.stated for row in rows], axis=0)
    p_false = np.concatenate([row.p_false for row in rows])
    false = np.concatenate([row.false for row in rows]).astype(bool)
    shares, low = [], -1.0
    for _, most in GRADES:
        inside = (p_false > low) & (p_false <= most)
        shares.append(f"{false[inside].mean():.2f}" if inside.any() else "-")
        low = most
    return (
        f"| {name} | {len(rows)} | {', '.join(f'{value:.2f}' for value in pooled)} | "
        f"{len(false) - false.sum()}, {false.sum()} ({p_false.sum():.1f}) | {', '.join(shares)} |"
    )
