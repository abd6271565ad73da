"""`python -m pipeline` is the `spikewatch` command."""

from pipeline.cli import main

main()
