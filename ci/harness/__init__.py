# SPDX-License-Identifier: BSD-2-Clause
"""What tests stand on: machines (machine.py), network namespaces (netns.py), results (report.py)."""
import signal

# A shell without job control lets what it runs in the background ignore SIGINT, and so would all that a test starts:
# what is not yet caught when a test ends a program as Ctrl-C would, would go on for ever.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
