"""`python -m pipeline` is the `spikewatch` command."""

import signal


def main() -> None:
    """Entry point of the `spikewatch` command."""
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the parts are loaded, Ctrl-C has nothing to tidy up
    from pipeline.cli import main as program

    signal.signal(signal.SIGINT, before)
    program()


if __name__ == "__main__":
    main()
