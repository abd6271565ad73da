"""Spikewatch."""
