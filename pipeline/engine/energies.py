"""Energies of single operations on chips, as published: the one place to add yours, as a `Chip` in `CHIPS`.

They estimate, and do no more: leakage, clocks, radio and what a chip does between two readings are in none of them.
"""

from typing import NamedTuple


class Chip(NamedTuple):
    """Energies in picojoules."""

    name: str
    source: str
    spike_pj: float  # a spike that travels
    delay_pj: float  # a synapse that compares its delay of 8 bits with the time of a spike, and adds that up
    weight_pj: float  # a synapse whose weight takes part in a sum
    product_pj: float  # a multiplication of floats with its addition
    dense_pj: float | None  # a multiply-add of a dense network; None where none is published


FLOAT_PJ = 3.7 + 0.9  # multiplication and addition of 32-bit floats, 45 nm: Horowitz, as below

CHIPS = (
    # An addition of integers takes 0.03 pJ (8 bits) or 0.1 pJ (32 bits), a multiplication of 8 bits 0.2 pJ; memory is
    # not in it. A spike is a number that its synapses read. The dense network has weights of 8 bits, as MLPerf Tiny.
    Chip(
        "45 nm CMOS",
        "M. Horowitz, Computing's energy problem (and what we can do about it), ISSCC 2014, pages 10 to 14",
        spike_pj=0.0,
        delay_pj=0.03 + 0.1,
        weight_pj=FLOAT_PJ,
        product_pj=FLOAT_PJ,
        dense_pj=0.2 + 0.1,
    ),
    # Table 2, from simulations before the chip was made: 1.7 pJ a spike within a tile, at least 23.6 pJ an operation
    # of a synapse. It has no products of floats: these are those of 45 nm, beside it.
    Chip(
        "Loihi",
        "M. Davies et al., Loihi: A Neuromorphic Manycore Processor with On-Chip Learning, IEEE Micro 38(1), 2018",
        spike_pj=1.7,
        delay_pj=23.6,
        weight_pj=23.6,
        product_pj=FLOAT_PJ,
        dense_pj=None,
    ),
)
