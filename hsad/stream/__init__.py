"""Lines as a camera sends them: each is scored as soon as the lines that its score needs are there.

``scan``: `LineScan`, the function of the room. ``stored``: from the numbers of a camera to spectra. ``kept``: the lines
that later scores need. ``gaussian``: mean and covariance that follow the lines. ``state``: all of it in a file.
"""
