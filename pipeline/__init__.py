"""Spikewatch."""

import os
from pathlib import Path

from pipeline import compiled

compiled.keep(Path(__file__).parent.parent, os.environ)  # here, since it must come before any kernel is imported
