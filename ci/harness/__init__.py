# SPDX-License-Identifier: BSD-2-Clause
"""What tests stand on: machines (machine.py), network namespaces (netns.py), results (report.py)."""
