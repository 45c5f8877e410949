"""What the kinds of evidence of the default detector are formed from: directions, and distances from the scene."""
