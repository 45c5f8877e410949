"""Readers of sensor products, one module per family of products; `SENSORS` has the order in which they are tried."""

from __future__ import annotations

from hsad.readers.sensors import aviris, desis, emit, enmap, hisui, hyperion, neon, pace, prisma, tanager, wyvern

__all__ = ["SENSORS"]

SENSORS = (enmap, desis, prisma, emit, tanager, neon, pace, aviris, hyperion, hisui, wyvern)
