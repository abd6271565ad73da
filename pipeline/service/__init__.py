"""The long-running service: where parts meet, start and stop."""
