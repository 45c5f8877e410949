"""The page that an analyst reviews anomalies in, a survey of a scene, and what was marked in a review."""
