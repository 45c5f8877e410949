"""What the program and the shell say to each other: printed lines, logs, errors, interruptions, completion."""
