# SPDX-License-Identifier: BSD-2-Clause
"""nginx in the Linux guest: Debian's binary package unpacked, with the libraries of this computer."""
import os
import re
import subprocess

from . import paths

CONF = """worker_processes 1; daemon off; error_log /dev/null; pid /nginx.pid; user root root;
events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; keepalive_timeout 65; keepalive_requests 1000000;
  default_type application/octet-stream; server { listen 80; root /pages; } }
"""


def files(folder, pages):
    """What the guest needs besides its modules: path in the guest → file here."""
    tree = subprocess.run([os.path.join(paths.TOP, "ci", "fetch"), "package", "nginx"], check=True,
                          capture_output=True, text=True).stdout.strip()
    program = os.path.join(tree, "usr", "sbin", "nginx")
    found = {"usr/sbin/nginx": program}
    listing = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    for path in re.findall(r"(/lib\S+) \(0x", listing):
        found[path.lstrip("/")] = path
    for name, data in {"nginx.conf": CONF.encode(), "etc/passwd": b"root:x:0:0:root:/:/bin/sh\n",
                       "etc/group": b"root:x:0:\n", **{f"pages/{name}": data for name, data in pages.items()}}.items():
        source = os.path.join(folder, "guest-" + name.replace("/", "-"))
        with open(source, "wb") as file:
            file.write(data)
        found[name] = source
    return found


def commands(address):
    return (f"mount -t devtmpfs dev /dev; ip addr add {address}/24 dev eth0; ip link set eth0 up; mkdir -p /var/lib/nginx /var/log/nginx; "
            "/usr/sbin/nginx -c /nginx.conf -e /dev/console & sleep 1; echo nginx up\n")
