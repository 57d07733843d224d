# SPDX-License-Identifier: BSD-2-Clause
"""The web appliance with pages of a test's own."""
import os
import re
import subprocess

from . import paths


def payload(folder, pages, manifest="web6"):
    """Writes the pages (name → bytes) and the appliance's payload with them; returns its path."""
    with open(os.path.join(paths.TOP, "appliances", "web", f"{manifest}.conf"), encoding="utf-8") as file:
        text = file.read()
    content = ", ".join(f'{{ name = "{name}"; file = "page{i}"; }}' for i, name in enumerate(pages))
    text, changed = re.subn(r"content = \(.*\);", f"content = ( {content} );", text)
    assert changed == 1, "the manifest's content was not found"
    for i, data in enumerate(pages.values()):
        with open(os.path.join(folder, f"page{i}"), "wb") as file:
            file.write(data)
    path, output = os.path.join(folder, "web.conf"), os.path.join(folder, "web.cpio")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    images = [os.path.join(paths.BUILD, "appliances", name) for name in ("init", "web")]
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), "-I", images[0], "-I",
                    images[1], "-o", output, path], check=True)
    return output
