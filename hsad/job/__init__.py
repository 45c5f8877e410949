"""From what a user gives to scores and files: options, selection, the job itself, files, batches."""
