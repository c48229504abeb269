"""Results as text in the form of the benchmark's runners, which the submission checker reads.

Source: mlcommons/tiny, ``tools/submission/submission_checker.py`` (what it
looks for: ``Median throughput is N inf./sec.``, ``Top-1: N%``, ``AUC: N``, each
after a blank), ``benchmark/runner/script.py`` (stamps), and the results.txt of
the EEMBC runner in the published submissions of version 1.2 (columns).
"""

import time

_RULE = "-" * 57


def median(values):
    """Return the middle of some numbers, of an even count the mean of the two in the middle."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2.0


def median_throughput_per_s(windows):
    """Return the score of some windows, each (inferences, seconds): the median of inferences per second."""
    return median([inferences / float(wall_s) for inferences, wall_s in windows])


def performance_log(windows, stamps=None):
    """Return the text of a performance run, lines ending in a newline.

    windows: (inferences, seconds) each, in order; seconds above 0. stamps: the
    Unix time at which each ended, now where None. The score is left out where
    there are no windows.
    """
    windows = [(inferences, wall_s) for inferences, wall_s in windows]
    stamps = [None] * len(windows) if stamps is None else stamps
    lines = []
    for number, ((inferences, wall_s), stamp) in enumerate(zip(windows, stamps), 1):
        lines += _stamped(
            stamp,
            "Performance results for window {}:".format(number),
            "  # Inferences : {:>12}".format(inferences),
            "  Runtime      : {:>12.3f} sec.".format(wall_s),
            "  Throughput   : {:>12.3f} inf./sec.".format(inferences / float(wall_s)),
        )
    if windows:
        score = "Median throughput is {:.3f} inf./sec.".format(median_throughput_per_s(windows))
        lines += _stamped(stamps[-1], _RULE, score, _RULE)
    return "".join(lines)


def accuracy_log(top1, auc, stamp=None):
    """Return the two lines of an accuracy run: top1 a ratio from 0 to 1, auc likewise or None where undefined."""
    lines = ["Top-1: {:.1f}%".format(100 * top1)]
    if auc is not None:
        lines.append("AUC: {:.2f}".format(auc))
    return "".join(_stamped(stamp, *lines))


def stamped(text, stamp=None):
    """Return one line as the runners write theirs: time, ``ulp-mlperf:``, text, newline."""
    return "{} ulp-mlperf: {}\n".format(time.strftime("%m%d.%H%M%S", time.localtime(stamp)), text)


def _stamped(stamp, *texts):
    return [stamped(text, stamp) for text in texts]
