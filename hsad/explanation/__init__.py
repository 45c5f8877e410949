"""Why a pixel scores as it does: the detector's account beside spectra, similar anomalies and names of a library."""
