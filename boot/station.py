# SPDX-License-Identifier: BSD-2-Clause
"""The machine of `boot/run replay --role send|reflect`: its manifest, and where its trace lies."""
import functools
import http.server
import json
import os
import subprocess
import threading

import qemu

HERE = os.path.dirname(os.path.abspath(__file__))
STATION_LONGEST = 1518  # bytes of a frame that a machine of ours sends


class Unpackable(Exception):
    """The trace can't be made into what the machine takes; the tool has said why."""


SEND_CONF = """name = "send"; power_off = true;
environments = ( {{ name = "send"; image = "station"; arguments = [ {words} ];
  frames = {frames}; may = [ "console", "power" ]; {place}
  flows = ( {{ name = "all"; ports = [ 0 ]; receive = ""; transmit = ""; }}{flow} ); }} );
"""
FETCH_FLOW = """, { name = "fetch"; receive = "arp host $addr or (ip and dst host $addr)";
    transmit = "ether src $mac and ((arp and (src host $addr or src host 0.0.0.0))
      or (ip and src host $addr))"; }"""
STATION_FRAMES = 4096  # of 4 KiB, besides a trace in the payload


class Station:
    """The machine of `send` and `reflect`: its manifest, its words, and where its trace lies."""

    def __init__(self, options, scratch, tool):
        self.options, self.scratch, self.tool = options, scratch, tool
        self.manifest = os.path.join(scratch, "send.conf")
        self.words, self.append, self.disks, self.nics, self.server = list(options.words), [], [], [], None
        if options.role == "reflect":
            self.manifest = os.path.join(os.path.dirname(HERE), "appliances", "replay", "reflect.conf")
            return
        trace = self._pack()
        place, frames, flow = getattr(self, "_" + options.trace_on)(trace)
        with open(self.manifest, "w", encoding="utf-8") as file:
            quoted = (json.dumps(word, ensure_ascii=False) for word in ["send", *self.words])
            file.write(SEND_CONF.format(words=", ".join(quoted), frames=frames, place=place, flow=flow))

    def _pack(self):
        trace = os.path.join(self.scratch, "trace")
        status = subprocess.run([self.tool, "pack", self.options.trace, trace, "--longest",
                                 str(STATION_LONGEST)]).returncode
        if status:
            raise Unpackable(f"{self.options.trace} can't be packed")
        return trace

    def _payload(self, trace):
        frames = STATION_FRAMES + os.path.getsize(trace) // 4096
        return f'addresses = [ ]; content = ( {{ name = "trace"; file = "{trace}"; }} );', frames, ""

    def _disk(self, trace):
        size = os.path.getsize(trace)
        sectors = (size + 511) // 512
        os.truncate(trace, sectors * 512)
        self.disks.append(trace)
        self.words += ["--from", "disk", "--bytes", str(size)]
        return f"addresses = [ ]; disk = {{ first = 0; sectors = {sectors}; }};", STATION_FRAMES, ""

    def _http(self, trace):
        handler = functools.partial(QuietHandler, directory=self.scratch)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.words += ["--from", f"http://10.0.2.2:{self.server.server_address[1]}/{os.path.basename(trace)}"]
        self.append.append("ip=10.0.2.15/24,10.0.2.2@1")
        self.nics.append(qemu.Nic("user,net=10.0.2.0/24", "virtio"))
        return "", STATION_FRAMES, FETCH_FLOW

    def close(self):
        if self.server:
            self.server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Files of one folder, without a line for each request."""

    def log_message(self, *_):
        pass
