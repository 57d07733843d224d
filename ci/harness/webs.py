# SPDX-License-Identifier: BSD-2-Clause
"""Appliances that serve pages, with pages of a test's own."""
import os
import re
import subprocess

from . import paths

# Options of a virtio NIC that makes no checksums and cuts nothing.
NO_OFFLOADS = ",".join(f"{name}=off" for name in (
    "csum", "guest_csum", "gso", "guest_tso4", "guest_tso6", "guest_ecn", "guest_ufo", "host_tso4",
    "host_tso6", "host_ecn", "host_ufo"))


def payload(folder, pages, manifest="web6", appliance="web", images=("web",), instead=()):
    """Writes the pages (name → bytes) and the appliance's payload with them; returns its path. Images in the folders
    `instead` stand for the build's."""
    with open(os.path.join(paths.TOP, "appliances", appliance, f"{manifest}.conf"), encoding="utf-8") as file:
        text = file.read()
    content = ", ".join(f'{{ name = "{name}"; file = "page{i}"; }}' for i, name in enumerate(pages))
    text, changed = re.subn(r"content = \(.*\);", f"content = ( {content} );", text)
    assert changed >= 1, "the manifest's content was not found"
    for i, data in enumerate(pages.values()):
        with open(os.path.join(folder, f"page{i}"), "wb") as file:
            file.write(data)
    path, output = (os.path.join(folder, f"{manifest}.{end}") for end in ("conf", "cpio"))
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    command = [os.path.join(paths.BUILD, "boot", "mkappliance"), "-o", output]
    for other in instead:
        command += ["-I", other]
    for name in ("init", *images):
        command += ["-I", os.path.join(paths.BUILD, "appliances", name)]
    subprocess.run([*command, path], check=True)
    return output
