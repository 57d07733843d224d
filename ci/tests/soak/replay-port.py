#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 3600
"""Every capture at hand in every mode of sluice-replay: the kernel at the other end of a cable sees what
the capture holds, packet by packet. SLUICE_REPLAY_SLICE=I/N plays every N-th one from the I-th."""
import os
import tempfile

from harness.cable import cable, real_traces
from harness.netns import Namespace
from harness.replay_modes import MODES, Capture
from harness.report import Report, skip_all


def main():
    first, _, step = os.environ.get("SLUICE_REPLAY_SLICE", "0/1").partition("/")
    traces = real_traces()[int(first)::int(step)]
    if not Namespace.possible() or not traces:
        skip_all("network namespaces need root" if traces else "there are no captures here")
    report = Report()
    with cable() as namespace, tempfile.TemporaryDirectory() as folder:
        for path in traces:
            with report.test(os.path.basename(path)):
                capture = Capture(path, folder)
                for name, play in MODES.items():
                    try:
                        play(capture, namespace, folder)
                    except AssertionError as reason:
                        raise AssertionError(f"{name}: {reason}") from None
    report.exit()


if __name__ == "__main__":
    main()
