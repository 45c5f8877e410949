"""From files to cubes and masks: one module a format, `open_cube` and `open_mask` in front of them."""

from hsad.readers.masks import open_mask
from hsad.readers.scene import READERS, Reader, open_cube

__all__ = ["READERS", "Reader", "open_cube", "open_mask"]
