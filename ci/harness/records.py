# SPDX-License-Identifier: BSD-2-Clause
"""Records that benchmarks write (ci/bench tells the format)."""
import json
import statistics
import sys


class Records:
    """Collects records and writes them at the end."""

    def __init__(self, where):
        self.where, self.records = where, []

    def add(self, metric, subject, values, unit, pick=statistics.median, **params):
        """One record: the median of the values, or what `pick` makes of them."""
        values = values if isinstance(values, list) else [values]
        self.records.append({"metric": metric, "subject": subject, "params": params,
                             "value": pick(values), "unit": unit,
                             "where": self.where, "runs": len(values),
                             "spread": max(values) - min(values)})

    def write(self):
        json.dump(self.records, sys.stdout)


def say(text):
    """For the person who waits."""
    print(text, file=sys.stderr, flush=True)
