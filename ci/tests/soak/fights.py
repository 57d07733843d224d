#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 900
"""Ten minutes of fifty environments that fight, crash and are revoked, beside echo (harness/fights.py)."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", ".."))
from harness.fights import fight  # noqa: E402
from harness.netns import Namespace  # noqa: E402
from harness.report import Report, skip_all  # noqa: E402

if not Namespace.possible():
    skip_all("needs root, for a network namespace")
report = Report()
with report.test("ten minutes of fight: the ledger balances, and no ping is lost"):
    print(fight(600))
report.exit()
