"""Why a pixel scores as it does: the detector's account, spectra, similar anomalies, and names from a library."""
