"""The event account of a machine: what its network does for a reading, and what a dense network would do instead.

The network counts (`account.h`); here it becomes figures per reading, means since the machine began. Energies are
estimates: counts times what others have published of single operations (`energies.py`). Pure.

The dense network is the autoencoder of MLPerf Tiny's anomaly detection (C. Banbury et al., MLPerf Tiny Benchmark,
NeurIPS 2021; github.com/mlcommons/tiny), made for the data of DCASE 2020, Task 2: five rows in, layers of 128, 128,
128, 128, 8, 128, 128, 128 and 128, five rows out. There a row has 128 bands of a spectrum, here it has the machine's
sensors. It runs once a row, and a row is taken to have a reading of every sensor: the least that it can take.
"""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any, NamedTuple

from pipeline.engine.energies import CHIPS, Chip

FRAMES = 5  # rows that the dense network sees at once
LAYERS = (128, 128, 128, 128, 8, 128, 128, 128, 128)


class Energy(NamedTuple):
    """Estimates for one reading on a chip, in nanojoules."""

    chip: str
    nj: float
    dense_nj: float | None  # of the dense network; None where no energy is published


class Account(NamedTuple):
    """What is done for one reading, on average."""

    spikes: float  # that travelled
    synapses: float  # operations of synapses
    products: float  # multiply-adds of the statistics over all sensors
    dense_products: float  # multiply-adds of the dense network
    energies: tuple[Energy, ...]  # on every chip of `CHIPS`

    def told(self) -> dict[str, Any]:
        """As it is told in JSON."""
        return {**self._asdict(), "energies": [one._asdict() for one in self.energies]}

    @property
    def says(self) -> str:
        """In one line."""
        chip = self.energies[0]
        against = "" if chip.dense_nj is None else f" against {amount(chip.dense_nj)} nJ"
        return (
            f"Per reading: {amount(self.spikes)} spikes, {amount(self.synapses)} synaptic operations and "
            f"{amount(self.products)} multiply-adds; "
            f"a dense autoencoder: {amount(self.dense_products)} multiply-adds; "
            f"about {amount(chip.nj)} nJ{against} on {chip.chip} (estimate)"
        )


def of(counted: Mapping[str, Any], sensors: int) -> Account | None:
    """Of the counters of a machine, a `struct sw_account`, and how many sensors it has.

    None before it has counted a reading: that of a new machine, and of one that an earlier version has stored.
    """
    readings = int(counted["readings"])
    if readings == 0:
        return None
    spikes, synapses, products = (int(counted[name]) / readings for name in ("spikes", "synapses", "products"))
    dense = dense_products(sensors) / sensors
    energies = tuple(energy(chip, sensors, spikes, synapses, products, dense) for chip in CHIPS)
    return Account(spikes, synapses, products, dense, energies)


def dense_products(sensors: int) -> int:
    """Multiply-adds of the dense network for one row.

    >>> dense_products(128)  # that of the benchmark
    264192
    """
    ends = sensors * FRAMES
    return sum(before * after for before, after in pairwise((ends, *LAYERS, ends)))


def energy(chip: Chip, sensors: int, spikes: float, synapses: float, products: float, dense: float) -> Energy:
    """What operations take. Of the synapses as many as there are other sensors have weights: the coupling."""
    weights = min(sensors - 1.0, synapses)
    own = (
        spikes * chip.spike_pj
        + (synapses - weights) * chip.delay_pj
        + weights * chip.weight_pj
        + products * chip.product_pj
    )
    return Energy(chip.name, own / 1e3, None if chip.dense_pj is None else dense * chip.dense_pj / 1e3)


def fields(one: Account) -> dict[str, float | int | str | bool]:
    """As they are written to the database; energies are those of the first chip."""
    chip = one.energies[0]
    found = {
        "spikes": one.spikes,
        "synapses": one.synapses,
        "products": one.products,
        "dense_products": one.dense_products,
        "energy_nj": chip.nj,
        "dense_energy_nj": chip.dense_nj,
    }
    return {name: value for name, value in found.items() if value is not None}


def amount(number: float) -> str:
    """A number with two digits at least.

    >>> amount(21350.4), amount(22.07), amount(0.676)
    ('21,350', '22', '0.68')
    """
    return f"{number:,.0f}" if number >= 10.0 else f"{number:.2g}"
