# SPDX-License-Identifier: BSD-2-Clause
"""Where things are, for tests and measurements."""
import os
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ.get("SLUICE_BUILD", os.path.join(TOP, "build"))
KERNEL = os.path.join(BUILD, "boot", "sluice.elf")
HYBRID = os.path.join(BUILD, "boot", "sluice")

sys.path.insert(0, os.path.join(TOP, "boot"))


def payload(name):
    """The payload of an appliance, as the build left it."""
    return os.path.join(BUILD, "boot", f"{name}.cpio")
