"""Shell completion: verbs, options and choices, for the shells that people have."""

import os
import subprocess
import sys

import pytest

PROGRAM = "import sys; sys.argv = ['spikewatch']; from pipeline.cli import main; main()"


def said(**environ: str) -> list[str]:
    environ = {**os.environ, **environ}
    done = subprocess.run([sys.executable, "-c", PROGRAM], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_a_script(shell):
    assert "_SPIKEWATCH_COMPLETE" in " ".join(said(_SPIKEWATCH_COMPLETE=f"source_{shell}"))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("spikewatch si", {"simulate"}),
        ("spikewatch simulate --fault b", {"bearing"}),
        ("spikewatch journal ex", {"export"}),
        ("spikewatch tap --sec", {"--seconds"}),
    ],
)
def test_verbs_options_and_choices_complete(words, offered):
    count = str(len(words.split()) - 1)
    assert set(said(_SPIKEWATCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)) == offered
