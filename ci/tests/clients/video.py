#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# timeout: 900
"""The video appliance and the players that people have, on a wire.

    namespace: br0 10.51.0.1, fd51::1 ── tap0 ── 10.51.0.2 and fd51::2  video
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", ".."))
from harness import paths
from harness.browser import Browser
from harness.machine import Machine, Nic, tap
from harness.netns import Namespace
from harness.report import Report, skip_all

ADDRESS, SIX = "10.51.0.2", "fd51::2"
HTTP, RTSP = f"http://{ADDRESS}", f"rtsp://{ADDRESS}"
SAMPLE = os.path.join(paths.BUILD, "appliances", "video", "sample.mp4")
FRAMES, SECONDS = 300, 12
NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]


def run(ns, *words, seconds=120, check=True, user=False):
    done = subprocess.run(ns.prefix() + (NOBODY if user else []) + list(words), timeout=seconds, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                          env={**os.environ, "HOME": "/tmp", "LC_ALL": "C"})
    assert not check or done.returncode == 0, f"{' '.join(words)}: status {done.returncode}: {done.stderr[-800:]}"
    return done


def status(ns):
    return json.loads(run(ns, "curl", "-sS", "-m", "20", f"{HTTP}/status").stdout)


def metrics(ns):
    text = run(ns, "curl", "-sS", "-m", "20", f"{HTTP}/metrics").stdout
    return {m[1]: int(m[2]) for m in re.finditer(r"^sluice_video_(\w+) (\d+)$", text, re.M)}


def frames(ns, *source, seconds=120):
    """How many pictures ffmpeg decodes of a source that it plays to its end, and its complaints."""
    done = run(ns, "ffmpeg", "-hide_banner", "-v", "info", "-nostats", "-progress", "-", *source, "-an", "-f", "null", "-",
               seconds=seconds)
    counts = re.findall(r"^frame=\s*(\d+)", done.stdout, re.M)
    return int(counts[-1]), [line for line in done.stderr.splitlines() if "error" in line.lower()]


def all_frames(ns, *source):
    n, errors = frames(ns, *source)
    assert n >= FRAMES - 2 and not errors, f"{n} of {FRAMES} frames; {errors[:3]}"


def together(*jobs):
    """Runs them at the same time, for playing takes as long as the film; raises what the first of them raised."""
    with ThreadPoolExecutor(len(jobs)) as pool:
        for job in [pool.submit(job) for job in jobs]:
            job.result()


def probes(ns):
    for url in (f"{RTSP}/sample", f"{RTSP}/sample.ts", f"{HTTP}/hls/sample/index.m3u8", f"{HTTP}/media/sample.mp4"):
        found = run(ns, "ffprobe", "-v", "error", "-rtsp_transport" if url.startswith("rtsp") else "-probesize",
                    "tcp" if url.startswith("rtsp") else "5000000", "-show_entries", "stream=codec_name,width,height",
                    "-of", "csv=p=0", url).stdout
        assert "h264,640,360" in found and "aac" in found, f"{url}: {found}"


def plays_rtsp(ns):
    before = metrics(ns)
    together(lambda: all_frames(ns, "-rtsp_transport", "udp", "-i", f"{RTSP}/sample"),
             lambda: all_frames(ns, "-rtsp_transport", "tcp", "-i", f"{RTSP}/sample"),
             lambda: all_frames(ns, "-rtsp_transport", "tcp", "-i", f"{RTSP}/sample.ts"))
    after = metrics(ns)
    assert after["rtcp_heard_total"] > before["rtcp_heard_total"], "no receiver's report was heard"
    assert after["rtp_unsent_total"] == before["rtp_unsent_total"]


def plays_hls(ns):
    all_frames(ns, "-i", f"{HTTP}/hls/sample/index.m3u8")
    n, _ = frames(ns, "-t", "6", "-i", f"{HTTP}/hls/sample/live.m3u8")
    assert 140 <= n <= 160, n


def plays_channel(ns):
    """Plain RTP to a group that whoever joins it hears. They join when the title is about to end: five seconds take them
    over the seam, and bring three at least, for key frames come every two."""
    sdp = tempfile.NamedTemporaryFile("w", suffix=".sdp", delete=False)
    sdp.write("v=0\no=- 0 0 IN IP4 10.51.0.2\ns=x\nt=0 0\nc=IN IP4 239.255.42.1/8\nm=video 5004 RTP/AVP 33\n")
    sdp.close()
    run(ns, "ip", "route", "replace", "239.0.0.0/8", "dev", "br0")
    listen = (("-protocol_whitelist", "file,rtp,udp", "-i", sdp.name),
              ("-rtsp_transport", "udp_multicast", "-i", f"{RTSP}/channel"))

    def hear(source):
        n, _ = frames(ns, *source, "-t", "5")
        assert n >= 70, f"{source[-1]}: {n} frames"

    deadline = time.monotonic() + 60
    while status(ns)["channel"]["position"] not in (SECONDS - 4, SECONDS - 3):
        assert time.monotonic() < deadline, "the channel stands still"
        time.sleep(0.2)
    together(*(lambda source=source: hear(source) for source in listen))
    os.unlink(sdp.name)


def make_disks(folder):
    """A FAT image with a title for the one environment, an ISO image with a title for the other. Returns their paths."""
    tool = os.path.join(paths.BUILD, "appliances", "video", "sluice-media")
    fat, iso, tree = (os.path.join(folder, name) for name in ("fat.img", "disk.iso", "tree"))
    os.mkdir(tree)
    for title in ("fat", "later", "iso"):
        subprocess.run([tool, SAMPLE, os.path.join(folder, f"{title}.media"), title], check=True)
    os.rename(os.path.join(folder, "iso.media"), os.path.join(tree, "a film.media"))
    with open(os.path.join(tree, "notes.txt"), "w", encoding="utf-8") as file:
        file.write("no film\n")
    subprocess.run(["truncate", "-s", "16M", fat], check=True)
    subprocess.run(["mkfs.vfat", fat], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["mcopy", "-i", fat, os.path.join(tree, "notes.txt"), os.path.join(folder, "fat.media"), "::"], check=True)
    subprocess.run(["xorriso", "-as", "mkisofs", "-quiet", "-o", iso, tree], check=True, stderr=subprocess.DEVNULL)
    return [fat, iso]


def titles(ns, host):
    return [t["name"] for t in json.loads(run(ns, "curl", "-sSg", "-m", "20", f"http://{host}/status").stdout)["titles"]]


def plays_from_disk(ns, folder):
    """What lies on the disks at the start, and what comes to one of them while the machine runs."""
    assert "fat" in titles(ns, ADDRESS) and titles(ns, f"[{SIX}]") == ["sample", "iso"], titles(ns, ADDRESS)
    subprocess.run(["mcopy", "-i", os.path.join(folder, "fat.img"), os.path.join(folder, "later.media"), "::"], check=True)
    assert "looked at" in run(ns, "curl", "-sS", f"{HTTP}/rescan").stdout
    deadline = time.monotonic() + 20
    while "later" not in titles(ns, ADDRESS):
        assert time.monotonic() < deadline, titles(ns, ADDRESS)
        time.sleep(0.5)
    with open(SAMPLE, "rb") as file:
        wanted = file.read()
    for url in (f"{HTTP}/media/fat.mp4", f"{HTTP}/media/later.mp4", f"http://[{SIX}]/media/iso.mp4"):
        whole = os.path.join(folder, "whole")
        run(ns, "curl", "-sSg", "-m", "60", "-o", whole, url)
        with open(whole, "rb") as file:
            got = file.read()
        assert len(got) == len(wanted) and got[:4096] == wanted[:4096], url
    n, _ = frames(ns, "-rtsp_transport", "udp", "-ss", "9", "-i", f"{RTSP}/later")
    assert n >= 60, n


def payload(folder, disks):
    """The shipped manifest for two addresses, with a disk for each, and a live title more, that comes by multicast."""
    with open(os.path.join(paths.TOP, "appliances", "video", "video6.conf"), encoding="utf-8") as file:
        text = file.read()
    path = os.path.join(folder, "video")
    with open(path + ".conf", "w", encoding="utf-8") as file:
        text = text.replace('"live=live@:5010"', '"live=live@:5010", "live=group@239.255.43.1:5012"')
        first = 0
        for name, disk in zip(("video", "six"), disks):
            sectors = os.path.getsize(disk) // 512
            text = text.replace(f'    name = "{name}";\n    image', f'    name = "{name}";\n    disk = {{ first = {first}; '
                                f'sectors = {sectors}; }};\n    image')
            first += sectors
        file.write(text)
    places = [os.path.join(paths.TOP, "appliances", "video")]
    places += [os.path.join(paths.BUILD, "appliances", part) for part in ("video", "init")]
    shutil.copy(os.path.join(places[0], "page.html"), folder)
    shutil.copy(os.path.join(places[1], "sample.media"), folder)
    subprocess.run([os.path.join(paths.BUILD, "boot", "mkappliance"), *(word for place in places for word in ("-I", place)),
                    "-o", path + ".cpio", path + ".conf"], check=True)
    return path + ".cpio"


def plays_six(ns):
    together(lambda: all_frames(ns, "-rtsp_transport", "udp", "-i", f"rtsp://[{SIX}]/sample"),
             lambda: all_frames(ns, "-rtsp_transport", "tcp", "-i", f"rtsp://[{SIX}]/sample.ts"),
             lambda: all_frames(ns, "-i", f"http://[{SIX}]/hls/sample/index.m3u8"))
    assert run(ns, "curl", "-sS", "-g", "-r", "4-7", f"http://[{SIX}]/media/sample.mp4").stdout == "ftyp"


def relays(ns, title, url):
    """A stream that ffmpeg sends for ever arrives at all who ask, by each way, while it is sent."""
    source = ns.popen("ffmpeg", "-v", "error", "-re", "-stream_loop", "-1", "-i", SAMPLE, "-c", "copy", "-f",
                      "rtp_mpegts" if url.startswith("rtp") else "mpegts", url, stdout=subprocess.DEVNULL)

    def hear(*words):
        n, _ = frames(ns, *words, "-t", "4")
        assert n >= 50, f"{' '.join(words)}: {n} frames"

    try:
        deadline = time.monotonic() + 60
        while [live["segments"] for live in status(ns)["live"] if live["name"] == title] < [3]:
            assert time.monotonic() < deadline, f"nothing of {title} was heard: {status(ns)['live']}"
            time.sleep(0.5)
        together(lambda: hear("-rtsp_transport", "udp", "-i", f"{RTSP}/{title}"),
                 lambda: hear("-rtsp_transport", "tcp", "-i", f"{RTSP}/{title}"),
                 lambda: hear("-i", f"{HTTP}/hls/{title}/index.m3u8"))
        found = metrics(ns)
        assert found["live_malformed_total"] == 0 and found["live_lost_total"] == 0, found
    finally:
        source.kill()
        source.wait()


def relays_all(ns):
    run(ns, "ip", "route", "replace", "239.0.0.0/8", "dev", "br0")
    together(lambda: relays(ns, "live", f"udp://{ADDRESS}:5010?pkt_size=1316"),
             lambda: relays(ns, "group", "rtp://239.255.43.1:5012"))


def grab(ns, folder, name, *source):
    path = os.path.join(folder, name)
    run(ns, "ffmpeg", "-v", "error", "-y", *source, "-frames:v", "1", "-pix_fmt", "rgb24", "-f", "rawvideo", path)
    with open(path, "rb") as file:
        return file.read()


def pictures_are_the_files(ns, folder):
    """The first picture, and one behind a seek, byte for byte those of the file."""
    for at in (0, 6):
        seek = ("-ss", str(at)) if at else ()
        wanted = grab(ns, folder, "wanted", *seek, "-i", SAMPLE)
        assert len(wanted) == 640 * 360 * 3
        for source in (("-i", f"{HTTP}/media/sample.mp4"), ("-i", f"{HTTP}/hls/sample/index.m3u8")):
            assert grab(ns, folder, "got", *seek, *source) == wanted, f"{source} at {at} s"
    first = grab(ns, folder, "wanted", "-i", SAMPLE)
    assert grab(ns, folder, "got", "-rtsp_transport", "tcp", "-i", f"{RTSP}/sample") == first
    assert grab(ns, folder, "got", "-rtsp_transport", "udp", "-i", f"{RTSP}/sample") == first


def seeks(ns):
    """RTSP's PLAY with a Range: what is left of the film, from the key frame before."""
    def behind(transport):
        n, _ = frames(ns, "-rtsp_transport", transport, "-ss", "8", "-i", f"{RTSP}/sample")
        assert 90 <= n <= 160, f"{transport}: {n} frames behind 8 s of 12"

    together(lambda: behind("udp"), lambda: behind("tcp"))


def curl_ranges(ns, folder):
    whole = os.path.join(folder, "whole")
    run(ns, "curl", "-sS", "-m", "60", "-o", whole, f"{HTTP}/media/sample.mp4")
    with open(whole, "rb") as a, open(SAMPLE, "rb") as b:
        wanted = b.read()
        assert a.read() == wanted
    for spec, part in (("0-0", wanted[:1]), ("1000-99999", wanted[1000:100000]), ("-77", wanted[-77:])):
        run(ns, "curl", "-sS", "-m", "60", "-r", spec, "-o", whole, f"{HTTP}/media/sample.mp4")
        with open(whole, "rb") as file:
            assert file.read() == part, spec
    for path, code in (("/none", "404"), ("/media/none.mp4", "404"), ("/hls/sample/99.ts", "404"), ("/", "200")):
        got = run(ns, "curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", HTTP + path).stdout
        assert got == code, f"{path}: {got}"


def watch_vlc(ns, url, *wanted, seconds=60):
    """Runs VLC until it has said all of `wanted`: how long it takes to begin is the machine's affair."""
    vlc = ns.popen("timeout", str(seconds), *NOBODY, "cvlc", "-vv", "--no-color", "--vout=dummy", "--aout=dummy", url,
                   env={**os.environ, "HOME": "/tmp", "LC_ALL": "C"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                   text=True, errors="replace")
    missing, said = set(wanted), []
    for line in vlc.stderr:
        said.append(line)
        missing -= {words for words in missing if words in line}
        if not missing:
            vlc.terminate()
            break
    vlc.communicate()
    assert not missing, f"{url}: without {missing}: {''.join(said)[-1500:]}"


def plays_vlc(ns):
    """Debian's VLC has no RTSP (it is built without live555): HLS, MP4 and the channel."""
    for url in (f"{HTTP}/hls/sample/index.m3u8", f"{HTTP}/media/sample.mp4"):
        watch_vlc(ns, url, "Stream buffering done", "Received first picture")
    watch_vlc(ns, "rtp://@239.255.42.1:5004", "Stream buffering done")


def plays_gstreamer(ns):
    for protocols in ("udp", "tcp"):
        done = run(ns, "gst-launch-1.0", "-m", "rtspsrc", f"location={RTSP}/sample", f"protocols={protocols}", "!",
                   "rtph264depay", "!", "h264parse", "!", "avdec_h264", "!", "fakesink", "num-buffers=60", user=True,
                   seconds=60)
        assert "EOS" in done.stdout or "eos" in done.stdout, done.stdout[-600:]


def plays_chromium(ns, folder):
    with Browser(within=ns) as browser:
        browser.open(f"{HTTP}/")
        browser.wait("document.getElementById('video')?.currentTime > 1")
        one = browser.picture()
        at = browser.evaluate("document.getElementById('video').currentTime")
        browser.wait(f"Math.abs(document.getElementById('video').currentTime - {at}) > 1.5")
        two = browser.picture()
        assert one != two, "the picture does not move"
        box = browser.evaluate("JSON.stringify(document.getElementById('video').getBoundingClientRect())")
        box = json.loads(box)
        part = {k: box[k] for k in ("x", "y", "width", "height")}
        first = browser.picture(**part)
        time.sleep(1.3)
        assert first != browser.picture(**part), "the film stands still"
        assert "sample" in browser.evaluate("document.getElementById('titles').textContent")
        browser.wait("document.getElementById('viewers').textContent.includes('http')")
    with open(os.path.join(folder, "page.png"), "wb") as file:
        file.write(two)


def raw(ns, data, port, wait=3):
    program = ("import socket, sys\n"
               f"s = socket.create_connection(('{ADDRESS}', {port}), 20); s.settimeout({wait})\n"
               "s.sendall(sys.stdin.buffer.read())\n"
               "try:\n    while (b := s.recv(65536)): sys.stdout.buffer.write(b)\n"
               "except (TimeoutError, ConnectionResetError): pass\n")
    return subprocess.run(ns.prefix() + ["python3", "-c", program], input=data, timeout=30,
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout


def refuses_nonsense(ns):
    cases = [(554, b"\x80\x01" * 3000, b""), (554, b"DESCRIBE rtsp://x/none RTSP/1.0\r\nCSeq: 1\r\n\r\n", b"404"),
             (554, b"A" * 5000, b"413"), (554, b"OPTIONS * RTSP/9\r\nCSeq: 1\r\n\r\n", b"505"),
             (554, b"$\x00\xff\xff" + b"x" * 100, b""), (554, b"$\x01\x00\x04abcd", b""),
             (80, b"GET / HTTP/1.1\r\n\r\n", b"400"), (80, b"\0" * 100 + b"\r\n\r\n", b"400"),
             (80, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", b"405")]
    for port, data, wanted in cases:
        got = raw(ns, data, port)
        assert wanted in got[:200], f"{data[:40]}: {got[:100]}"


SLOW = """
import socket, sys, time
s = socket.socket(); s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096); s.connect(("10.51.0.2", 554))
def ask(text):
    s.sendall(text.encode()); return s.recv(4096).decode("latin1")
a = ask("SETUP rtsp://10.51.0.2/sample/track0 RTSP/1.0\\r\\nCSeq: 1\\r\\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1\\r\\n\\r\\n")
session = a.split("Session: ")[1].split(";")[0]
s.sendall(f"PLAY rtsp://10.51.0.2/sample RTSP/1.0\\r\\nCSeq: 2\\r\\nSession: {session}\\r\\n\\r\\n".encode())
time.sleep(60)
"""


def bad_viewers_disturb_nobody(ns):
    """One reads nothing, one is killed in the middle, others send nonsense: a good one misses nothing."""
    slow = ns.popen("python3", "-c", SLOW)
    lost = ns.popen("ffmpeg", "-v", "quiet", "-rtsp_transport", "udp", "-i", f"{RTSP}/sample", "-f", "null", "-")
    good = ns.popen("ffmpeg", "-v", "error", "-nostats", "-progress", "-", "-rtsp_transport", "udp", "-i", f"{RTSP}/sample",
                    "-an", "-f", "null", "-", stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(5)
        lost.send_signal(signal.SIGKILL)
        refuses_nonsense(ns)
        out, errors = good.communicate(timeout=90)
        n = int(re.findall(r"^frame=\s*(\d+)", out, re.M)[-1])
        assert n >= FRAMES - 2 and not errors.strip(), f"{n} frames; {errors[:300]}"
    finally:
        for process in (slow, lost, good):
            process.kill()
            process.wait()
    deadline = time.monotonic() + 80
    while (now := status(ns))["sessions"] and time.monotonic() < deadline:
        time.sleep(2)
    assert now["sessions"] == 0, now


def main():
    if not Namespace.possible():
        skip_all("needs root, for a network namespace")
    report = Report()
    with tempfile.TemporaryDirectory(prefix="sluice-") as folder, Namespace() as ns, \
            Machine(payload=payload(folder, disks := make_disks(folder)), disks=disks, append=f"ip={ADDRESS}/24 ip={SIX}/64", nics=[Nic(tap("tap0"))], memory="160", limit=880,
                    within=ns) as machine:
        os.chmod(folder, 0o755)
        machine.wait_for("video: ready: 4 titles", 60)
        machine.wait_for("six: ready: 2 titles", 60)
        cases = [("ffprobe knows every form", lambda: probes(ns)),
                 ("curl: files, ranges, errors", lambda: curl_ranges(ns, folder)),
                 ("ffmpeg by UDP and interleaved TCP at once: every picture", lambda: plays_rtsp(ns)),
                 ("ffmpeg by HLS", lambda: plays_hls(ns)),
                 ("ffmpeg by IPv6: RTSP by UDP and TCP, HLS", lambda: plays_six(ns)),
                 ("ffmpeg seeks", lambda: seeks(ns)),
                 ("ffmpeg hears the channel by multicast", lambda: plays_channel(ns)),
                 ("a live stream by unicast, another by multicast, each to three viewers", lambda: relays_all(ns)),
                 ("titles of disks: FAT and ISO 9660, and one that comes later", lambda: plays_from_disk(ns, folder)),
                 ("pictures are those of the file", lambda: pictures_are_the_files(ns, folder)),
                 ("bad viewers disturb nobody", lambda: bad_viewers_disturb_nobody(ns))]
        if shutil.which("cvlc"):
            cases.append(("VLC", lambda: plays_vlc(ns)))
        if shutil.which("gst-launch-1.0"):
            cases.append(("GStreamer", lambda: plays_gstreamer(ns)))
        if Browser.possible():
            cases.append(("Chromium shows a picture that moves", lambda: plays_chromium(ns, folder)))
        wanted = sys.argv[1:]
        for name, case in cases:
            if wanted and not any(word in name for word in wanted):
                continue
            with report.test(name):
                case()
        if os.environ.get("SLUICE_KEEP") and os.path.exists(os.path.join(folder, "page.png")):
            shutil.copy(os.path.join(folder, "page.png"), os.environ["SLUICE_KEEP"])
        with report.test("the machine is well"):
            assert machine.running() and not machine.has(r"fault|panic")
    report.exit()


if __name__ == "__main__":
    main()
