"""What a scene is: its cube, its grid, its masks and quality layers, and what its metadata say."""
