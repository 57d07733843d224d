#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Boots threads.elf, which tests what drivers stand on, and reads its verdict.

    threads.py KERNEL
"""
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, "ci"))

from harness.machine import Machine  # noqa: E402

with Machine(kernel=sys.argv[1], limit=30) as machine:
    code = machine.wait_exit()
    print(machine.console())
    passed = machine.console().count("ok: ")
    sys.exit(0 if code == 0 and passed > 20 and "FAIL" not in machine.console() else 1)
