"""From scores to what an analyst works with: anomalies, their reasons, a page to review them in."""
