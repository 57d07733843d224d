# SPDX-License-Identifier: BSD-2-Clause
"""A person's own films for the video appliance: `boot/run video --media FILE…`, and disks with more: `--disk IMAGE`."""
import os
import re
import subprocess

TITLE_MAX = 60


class Failed(Exception):
    """A film that can't be carried; the text says why, and what converts it."""


def titles(files):
    """What viewers ask for, of the files' names: as sluice-media allows it, and different from each other."""
    found = []
    for path in files:
        name = os.path.splitext(os.path.basename(path))[0]
        title = re.sub(r"[^A-Za-z0-9._-]", "_", name)[:TITLE_MAX] or "_"
        while title in found:
            title += "_"
        found.append(title)
    return found


def manifest(conf, tool, files, scratch, sample, disks=()):
    """Makes an object of each film in `scratch`, and a manifest like the text `conf` that serves them (without films:
    the object `sample`), and those on the disks; → its path."""
    named = titles(files)
    for number, (path, title) in enumerate(zip(files, named)):
        if not os.path.isfile(path):
            raise Failed(f"there is no file {path}")
        result = subprocess.run([tool, path, os.path.join(scratch, f"{number}.media"), title],
                                stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        if result.returncode:
            raise Failed(result.stderr.strip().removeprefix("sluice-media: "))
    with open(conf, encoding="utf-8") as file:
        text = file.read()
    page = os.path.join(os.path.dirname(conf), "page.html")
    content = [("page.html", page)] + [(f"{n}.media", os.path.join(scratch, f"{n}.media")) for n in range(len(files))]
    if not files:
        content.append(("sample.media", sample))
        named = ["sample"]
    size = sum(os.path.getsize(path) for path in disks)
    if size:
        text = text.replace('image = "video";', f'image = "video";\n    disk = {{ first = 0; sectors = {size // 512}; }};')
    pages = (sum(os.path.getsize(path) for _, path in content) + size) // 4096
    text = text.replace('"page.html", "sample.media"',
                        ", ".join(f'{{ name = "{name}"; file = "{path}"; }}' for name, path in content))
    text = text.replace("channel=sample@", f"channel={named[0]}@")
    text = re.sub(r"frames = (\d+)", lambda found: f"frames = {int(found[1]) + pages}", text)
    written = os.path.join(scratch, "media.conf")
    with open(written, "w", encoding="utf-8") as file:
        file.write(text)
    return written
