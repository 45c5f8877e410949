"""The main job on a made scene: files to look at, a table of methods, and the pictures of the manual."""

from hsad.demo.run import run_demo

__all__ = ["run_demo"]
