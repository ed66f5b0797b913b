"""Can two samples be told apart? The two-sample test of Kolmogorov and Smirnov."""

import math
from collections.abc import Sequence


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The largest difference between the two empirical distributions, 0 to 1."""
    ordered = sorted([(value, 1 / len(one)) for value in one] + [(value, -1 / len(other)) for value in other])
    largest = difference = 0.0
    for number, (value, step) in enumerate(ordered):
        difference += step
        if number + 1 == len(ordered) or ordered[number + 1][0] != value:  # Equal values make one step.
            largest = max(largest, abs(difference))
    return largest


def likelihood(one: Sequence[float], other: Sequence[float]) -> float:
    """At most how likely the distance is, or a larger one, where both come from one distribution.

    Its limit for large samples (Smirnov 1948), which is too high for small ones: it errs towards "the same".
    """
    size = len(one) * len(other) / (len(one) + len(other))
    return min(1.0, 2 * math.exp(-2 * size * distance(one, other) ** 2))
