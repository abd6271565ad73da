"""What survives a restart: the journal of readings and points, and snapshots of the networks."""
