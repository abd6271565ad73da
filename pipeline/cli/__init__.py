"""The command line. Every verb says what it does with an example.

Exit codes: 0 fine, 1 something was found or is missing, 2 wrong usage or configuration.

Nothing is computed here: arguments in, words out. A file of this folder has the verbs of one kind; importing it adds
them to the program, in the order in which `--help` lists them.
"""

from pipeline.cli import serving  # isort: skip
from pipeline.cli import recordings  # isort: skip
from pipeline.cli import rescore  # isort: skip
from pipeline.cli import plant  # isort: skip
from pipeline.cli import answering  # isort: skip
from pipeline.cli import device  # isort: skip
from pipeline.cli import cluster  # isort: skip
from pipeline.cli import notify  # isort: skip
from pipeline.cli import care  # isort: skip
from pipeline.cli.terminal import app

__all__ = [
    "answering",
    "app",
    "care",
    "cluster",
    "device",
    "main",
    "notify",
    "plant",
    "recordings",
    "rescore",
    "serving",
]


def main() -> None:
    """Entry point of the `spikewatch` command."""
    app()
