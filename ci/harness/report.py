# SPDX-License-Identifier: BSD-2-Clause
"""Results of a script that makes several tests: lines that ci/test counts.

    from harness.report import Report
    report = Report()
    with report.test("answers ping"):
        assert ...
    report.exit()
"""
import contextlib
import sys
import traceback

SKIPPED = 77


class Report:
    """Prints `ok NAME` or `FAIL NAME: why` for each test; any exception is a failure."""

    def __init__(self):
        self.failed = 0

    @contextlib.contextmanager
    def test(self, name):
        try:
            yield
        except Exception as error:  # a test's failure must not end the others
            self.failed += 1
            traceback.print_exc()
            first = (str(error).splitlines() or [""])[0]
            print(f"FAIL {name}: {type(error).__name__} {first}", flush=True)
        else:
            print(f"ok {name}", flush=True)

    def skip(self, name, why):
        print(f"skip {name}: {why}", flush=True)

    def exit(self):
        sys.exit(1 if self.failed else 0)


def skip_all(why):
    """Ends the script: nothing of it can run here."""
    print(why)
    sys.exit(SKIPPED)
