"""The detectors of the dual window: what a ring is, what is asked of it, and two exact ways of solving it."""
