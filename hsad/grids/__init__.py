"""Where pixels lie: on a map, or on the grid of a sensor that looks up where its pixels are."""
