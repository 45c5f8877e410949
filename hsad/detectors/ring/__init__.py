"""Detectors of the dual window: a pixel beside the ring around it."""
