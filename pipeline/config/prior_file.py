"""Priors of a kind of machines as files: JSON that a person can read and keep under version control."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.config.settings import MachineRule, match_rule
from pipeline.files import read_bounded
from pipeline.network._core import lib
from pipeline.network.prior import FEATURES, Prior

MOST_BYTES, MOST_SENSORS = 16 << 20, 512  # of a file; 256 sensors, the most a machine has by default, take 5 MB
FORMAT = 1  # raised when a figure changes its meaning


class PriorError(Exception):
    """A file is no prior; the text says what is wrong with it, without its name."""


def write_prior(path: Path, prior: Prior) -> None:
    """Write a prior; raises OSError."""

    def number(value: float) -> float:
        return float(f"{value:.9g}")  # what float32 holds

    def numbers(values: Any) -> Any:
        return [numbers(value) for value in values] if np.ndim(values) else number(float(values))

    sensors = {}
    for own, sensor in enumerate(prior.sensors):
        together = {other: numbers(prior.covariance[own, i]) for i, other in enumerate(prior.sensors[: own + 1])}
        sensors[sensor] = {
            "residual": number(float(prior.residual[own])),
            "innovation": number(float(prior.innovation[own])),
            "spread": numbers(prior.spread[own]),
            "energy": number(float(prior.energy[own])),
            "covariance": together,
        }
    lines = [f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in sensors.items()]
    head = f' "format": {FORMAT},\n "machines": {json.dumps(list(prior.machines))},\n'
    path.write_text("{\n" + head + ' "sensors": {\n' + ",\n".join(lines) + "\n }\n}\n", encoding="utf-8")


def read_prior(path: Path) -> Prior:
    """The prior in a file; raises PriorError."""
    try:
        tree = json.loads(read_bounded(path, MOST_BYTES))
    except OSError as error:
        raise PriorError(f"cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise PriorError("is not JSON") from None
    if not isinstance(tree, dict) or "format" not in tree:
        raise PriorError("is not a prior (spikewatch prior writes one)")
    if tree["format"] != FORMAT:
        raise PriorError(f"has format {tree['format']!r}; this version reads {FORMAT}")
    try:
        sensors = dict(tree["sensors"])
        names = tuple(sensors)
        if len(names) > MOST_SENSORS:
            raise PriorError(f"has more than {MOST_SENSORS} sensors")
        covariance = np.zeros((len(names), len(names), FEATURES, FEATURES))
        for own, sensor in enumerate(names):
            for other in range(own + 1):
                block = sensors[sensor]["covariance"][names[other]]
                covariance[own, other] = block
                covariance[other, own] = np.transpose(block)
        prior = Prior(
            tuple(map(str, tree["machines"])),
            names,
            covariance,
            np.array([sensors[name]["residual"] for name in names], float),
            np.array([sensors[name]["innovation"] for name in names], float),
            np.array([sensors[name]["spread"] for name in names], float).reshape(-1, lib.SW_MEMBRANES),
            np.array([sensors[name]["energy"] for name in names], float),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise PriorError(f"lacks a figure, or has one that is not a number: {error}") from None
    wrong = unsound(prior)
    if wrong:
        raise PriorError(wrong)
    return prior


def priors_of(rules: Sequence[MachineRule]) -> Callable[[str], Prior | None]:
    """What is known of a machine's kind, by the machine's name; reads every file once. Raises PriorError."""
    known = {rule.prior: read_prior(Path(rule.prior)) for rule in rules if rule.prior is not None}

    def prior(machine: str) -> Prior | None:
        name = match_rule(rules, machine).prior
        return None if name is None else known[name]

    return prior


def unsound(prior: Prior) -> str:
    """What is wrong with the figures of a prior, which a network would take as they are; empty if nothing is."""
    n = len(prior.sensors)
    if len(prior.spread) != n or not n:
        return "has no sensors" if not n else "has spreads of another number of membranes"
    for own, name in enumerate(prior.sensors):
        figures = (prior.residual[own], prior.innovation[own], *prior.spread[own])
        if not all(0.0 <= figure < math.inf for figure in figures) or not abs(prior.energy[own]) <= 50.0:
            return f"sensor {name}: a figure is negative or too large"
        if not all(0.0 < prior.covariance[own, own, k, k] < 1e200 for k in range(FEATURES)):
            return f"sensor {name}: a variance is not above 0"
    whole = prior.covariance.transpose(0, 2, 1, 3).reshape(n * FEATURES, n * FEATURES)
    size = np.sqrt(np.diag(whole))
    correlation = whole / np.outer(size, size)
    if not np.isfinite(correlation).all() or float(np.linalg.eigvalsh(correlation)[0]) < -1e-5:
        return "the covariances contradict each other (not positive definite)"
    return ""
