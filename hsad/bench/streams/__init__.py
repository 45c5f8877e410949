"""Line by line, beside the published algorithm of ERX."""
