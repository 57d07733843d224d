#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 90
"""Environments of one machine reach each other by their network addresses, without any wire's help."""
from harness import paths
from harness.machine import Machine, Nic, user_net
from harness.report import Report


def main():
    report = Report()
    with Machine(payload=paths.payload("local"), nics=[Nic(user_net(restrict=True))], limit=80,
                 append="ip=10.51.0.2/24 ip=10.51.0.3/24") as guest:
        with report.test("an environment at another address of the machine is answered"):
            guest.wait_for("neighbour.*10 questions to 10.51.0.2 were answered", 40)
        with report.test("an environment that shares the address is answered"):
            guest.wait_for("sharer.*10 questions to 10.51.0.2 were answered", 40)
        with report.test("nobody was refused"):
            assert not guest.has("refused to send"), guest.console()
    report.exit()


main()
