"""The main job on a made scene: files to look at, a table of methods, and one picture of the answer."""

from hsad.demo.lines import demo_lines
from hsad.demo.run import run_demo

__all__ = ["demo_lines", "run_demo"]
