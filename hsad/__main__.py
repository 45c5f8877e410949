"""``python -m hsad``: the command line."""

from hsad.cli import main

if __name__ == "__main__":
    main()
