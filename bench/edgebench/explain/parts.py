"""Splits the time of a training step, and of a training, into parts that were measured on their own.

A step at hand is the curve's: what it takes whatever its batch, and what its
samples add. Of the first, the loop is known from a network that does next to
nothing, reading and updating the weights from one that has as many and one
sample; the rest is the framework handing out one operator after the other. Of the second, counted
operations at the measured peak and counted bytes at the measured bandwidth are
the least it can take; the rest is arithmetic below that peak. Input is what a
step takes longer through the workload's own input than with the batch at hand.
"""

from collections import namedtuple

from edgebench.roofline import analysis

ORDER = ("loop_s", "operators_s", "update_s", "input_s", "arithmetic_s", "memory_s", "below_peak_s")
OVERHEAD = ("loop_s", "operators_s")
COMPUTING = ("arithmetic_s", "memory_s", "below_peak_s")

Least = namedtuple("Least", "arithmetic_s memory_s flop moved_bytes")
Least.__doc__ = """The least time of a step's samples. arithmetic_s: of the layers that the peak bounds; memory_s: of
those that the bandwidth bounds; flop and moved_bytes: counted, the weights among them."""

Fed = namedtuple("Fed", "step_s turn_s start_s start_s_per_step")
Fed.__doc__ = """A training through the workload's input: seconds of a step, of turning to the next epoch, of starting,
and what each step's samples add to the start (arrays are copied)."""


def least(layers, batch, precision, peak):
    """Return the Least of a training step, without moving its weights, which no sample adds to.

    layers: layers.Layer. peak: analysis.Peak. A layer takes the longer of its
    operations at the peak and its activations' bytes at the bandwidth (``roofline``).
    """
    arithmetic_s = memory_s = 0.0
    flop = moved = 0
    for index, layer in enumerate(layers):
        if layer.fused:
            continue
        cost = analysis.training_cost(layer, batch, precision, is_first=index == 0)
        compute_s = cost.flop / (peak.gflop_per_s * 1e9)
        move_s = cost.activation_bytes / (peak.gb_per_s * 1e9)
        flop += cost.flop
        moved += cost.activation_bytes + cost.weight_bytes
        if compute_s >= move_s:
            arithmetic_s += compute_s
        else:
            memory_s += move_s
    return Least(arithmetic_s, memory_s, flop, moved)


def split(held_s, overhead_s, empty_s, update_s, fed_s, least_):
    """Return {part: seconds} of a step, in ORDER; all but ``below_peak_s`` are 0 or more.

    held_s: a step at hand by the curve. overhead_s: of it, whatever the batch.
    empty_s, update_s: steps of the networks that do next to nothing, and that move as many weights.
    fed_s: a step through the input, less one at hand as measured. least_: Least
    or None where there is no peak to set it against; then arithmetic below the
    peak is all that samples add. A below_peak_s below 0 says that the least time
    is longer than the measured: the peak was not the peak.
    """
    loop = min(empty_s, overhead_s)
    update_part = min(max(update_s - empty_s, 0.0), overhead_s - loop)
    found = {
        "loop_s": loop,
        "operators_s": overhead_s - loop - update_part,
        "update_s": update_part,
        "input_s": max(fed_s, 0.0),
        "arithmetic_s": least_.arithmetic_s if least_ else 0.0,
        "memory_s": least_.memory_s if least_ else 0.0,
    }
    found["below_peak_s"] = held_s - overhead_s - found["arithmetic_s"] - found["memory_s"]
    return found


def fed(short, half, whole):
    """Return the Fed by three trainings, each (steps of an epoch, seconds of the first and of a later epoch).

    Steps and turns are told by the later epochs of ``short`` and ``half``. A
    start is what a first epoch takes longer, and does not follow a line: copies
    that the allocator has no memory for wait until the system finds some. So it
    is that of ``whole`` at its length, and between that and ``short`` elsewhere.
    """
    (few, few_first, few_later), (many, _, many_later), (all_, all_first, all_later) = short, half, whole
    step_s = (many_later - few_later) / float(many - few)
    if step_s <= 0 or few_later < few * step_s:
        step_s = many_later / float(many)
    turn_s = max(few_later - few * step_s, 0.0)
    least_s, start_s = (max(few_first - few_later, 0.0), max(all_first - all_later, 0.0))
    growth = min(max((start_s - least_s) / float(all_ - few), 0.0), start_s / all_)
    return Fed(step_s, turn_s, start_s - all_ * growth, growth)


def training_s(fed_, step_s, epochs, steps):
    """Return what a training of ``epochs`` epochs of ``steps`` steps takes, its step taking ``step_s``."""
    return fed_.start_s + fed_.start_s_per_step * steps + epochs * (fed_.turn_s + steps * step_s)


def bound(split_):
    """Return what most of a step goes to: "overhead", "input", "update" or "arithmetic"."""
    groups = {
        "overhead": sum(split_[name] for name in OVERHEAD),
        "input": split_["input_s"],
        "update": split_["update_s"],
        "arithmetic": sum(split_[name] for name in COMPUTING),
    }
    return max(sorted(groups), key=lambda name: groups[name])


def ceiling(split_):
    """Return how many times faster a step would be were arithmetic, memory and updates free; None for no end."""
    left = sum(split_[name] for name in OVERHEAD + ("input_s",))
    return sum(split_.values()) / left if left > 0 else None
