"""`python -m pipeline` is the `spikewatch` command."""

import os
import signal


def main() -> None:
    """Entry point of the `spikewatch` command."""
    # NumPy's linear algebra starts a thread for every core when it is imported. Nothing here is large enough for two,
    # and without them the import takes a third less; whoever wants them says so.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # while the parts are loaded, Ctrl-C has nothing to tidy up
    from pipeline.cli import main as program

    signal.signal(signal.SIGINT, before)
    program()


if __name__ == "__main__":
    main()
