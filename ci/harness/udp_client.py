# SPDX-License-Identifier: BSD-2-Clause
"""Asks a UDP echo service, for tests: prints how many of COUNT datagrams came back unchanged.

    python3 udp_client.py ADDRESS PORT COUNT [BYTES]     BYTES: of each; default: from 0 to 1472
"""
import socket
import sys
import time


def free_port(kind=socket.SOCK_DGRAM):
    """A port of this computer's loopback on which nobody listens."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answered(client, question, seconds):
    """Whether a datagram comes back in time; what else comes are late answers to earlier ones."""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        client.settimeout(left)
        try:
            if client.recv(65535) == question:
                return True
        except socket.timeout:
            return False
        except ConnectionRefusedError:
            time.sleep(min(left, 0.5))
            return False
    return False


def ask(address, port, count, size=None, patience=2.0):
    """How many datagrams came back, up to the first that did not. Each is sent up to four times, for a busy computer
    may stand still for a moment."""
    right = 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as client:
        for i in range(count):
            length = size if size is not None else i * 1472 // max(count - 1, 1)
            question = bytes((i * 7 + k) & 255 for k in range(length))
            for _ in range(4):
                client.sendto(question, (address, port))
                if answered(client, question, patience):
                    break
            else:
                break
            right += 1
    return right


if __name__ == "__main__":
    words = sys.argv[1:]
    print(ask(words[0], int(words[1]), int(words[2]), int(words[3]) if len(words) > 3 else None))
