"""From scores to places: thresholds with stated false alarms, the objects above them, lists of anomalies as files."""
