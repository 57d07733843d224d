# SPDX-License-Identifier: BSD-2-Clause
"""`boot/run NAME --capture FILE`: an environment that captures, put before those of an appliance."""
import glob
import os

NAME = "capture.pcapng"  # of the file, on the host channel
FRAMES = 2048
MEGABYTES = FRAMES * 4096 >> 20


def environment(expression, port):
    """A manifest's text: the environment, and the host channel's port."""
    quoted = expression.replace("\\", "\\\\").replace('"', '\\"')
    return f"""name = "capture";
control_port = {port};
environments = (
  {{
    name = "capture";
    image = "capture";
    arguments = [ "file={NAME}" ];
    frames = {FRAMES};
    may = [ "console" ];
    flows = ( {{ name = "{'all' if not expression else 'capture'}"; receive = "{quoted}"; tap = true; sent = true; }} );
  }}
);
"""


def write(folder, expression, port):
    """The same as a file in `folder`; → its path."""
    path = os.path.join(folder, "capture.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(environment(expression, port))
    return path


def manifest_of(top, appliance):
    """The text manifest of what the person named; None: a payload has none."""
    if appliance.endswith(".conf"):
        return appliance
    found = glob.glob(os.path.join(glob.escape(top), "appliances", "*", f"{glob.escape(appliance)}.conf"))
    return found[0] if found else None
