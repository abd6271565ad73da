"""Recorded files: reading, scoring, replaying and evaluating them."""
