"""Setting up and trying out: proposals, live views, diagnosis, simulated plants and the demo."""
