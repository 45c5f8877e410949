"""Numbers only: functions of arrays (numpy, scipy, numba) that know nothing of files, tiles or detectors."""
