"""Products as their producers deliver them: one module a family of products, one line for it here."""

from __future__ import annotations

from hsad.readers.sensors import aviris, desis, emit, enmap, hisui, hyperion, neon, pace, prisma, tanager, wyvern

__all__ = ["SENSORS"]

SENSORS = (enmap, desis, prisma, emit, tanager, neon, pace, aviris, hyperion, hisui, wyvern)
