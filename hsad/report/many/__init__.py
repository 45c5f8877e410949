"""Results over many scenes: the folders, one list of all anomalies, and a page that leads to each scene."""
