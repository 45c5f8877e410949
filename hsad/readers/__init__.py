"""From files to cubes and masks: one module a format, `open_cube` and `open_mask` in front of them."""

from hsad.readers.masks import open_mask
from hsad.readers.registry import Reader, all_readers
from hsad.readers.scene import open_cube

__all__ = ["Reader", "all_readers", "open_cube", "open_mask"]
