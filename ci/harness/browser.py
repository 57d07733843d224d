# SPDX-License-Identifier: BSD-2-Clause
"""Headless Chromium, driven through its debugging pipe (the DevTools protocol, JSON between NUL bytes on two
file descriptors): pages in real time, values from them, pictures of them. No driver and no library needed.

    with Browser(within=namespace) as browser:
        browser.open("http://10.51.0.2/")
        browser.evaluate("document.title")
        png = browser.picture()
"""
import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--mute-audio",
         "--disable-dev-shm-usage", "--autoplay-policy=no-user-gesture-required", "--no-first-run",
         "--window-size=1000,980", "--remote-debugging-pipe"]


class Browser:
    def __init__(self, within=None, user=None):
        self.prefix = within.prefix() if within else []
        self.user, self.number, self.buffer, self.session = user, 0, b"", None

    @staticmethod
    def possible():
        return shutil.which("chromium") is not None

    def __enter__(self):
        self.folder = tempfile.mkdtemp(prefix="sluice-browser-")
        if self.user:
            shutil.chown(self.folder, self.user)
        as_user = ["setpriv", f"--reuid={self.user}", "--clear-groups"] if self.user else []
        their_in, self.to = os.pipe()
        self.back, their_out = os.pipe()
        # Chromium reads descriptor 3 and writes 4.
        self.process = subprocess.Popen(
            self.prefix + as_user + ["sh", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "sh", "chromium",
                                     *FLAGS, f"--user-data-dir={self.folder}", "about:blank"],
            pass_fds=(their_in, their_out), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": self.folder})
        os.close(their_in)
        os.close(their_out)
        pages = [t for t in self.call("Target.getTargets")["targetInfos"] if t["type"] == "page"]
        target = pages[0]["targetId"] if pages else self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        os.close(self.to)
        os.close(self.back)
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, method, seconds=60, **parameters):
        """One command; → its result. What the browser tells besides is not kept."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to, json.dumps(message).encode() + b"\0")
        deadline = time.monotonic() + seconds
        while True:
            while b"\0" in self.buffer:
                text, _, self.buffer = self.buffer.partition(b"\0")
                answer = json.loads(text)
                if answer.get("id") == self.number:
                    if "error" in answer:
                        raise RuntimeError(f"{method}: {answer['error'].get('message')}")
                    return answer["result"]
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.back], [], [], left)[0]:
                raise RuntimeError(f"the browser did not answer {method} within {seconds} s")
            more = os.read(self.back, 1 << 20)
            if not more:
                raise RuntimeError("the browser ended")
            self.buffer += more

    def open(self, url):
        result = self.call("Page.navigate", url=url)
        if result.get("errorText"):
            raise RuntimeError(f"{url}: {result['errorText']}")

    def evaluate(self, expression):
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails'].get('text')}")
        return result["result"].get("value")

    def wait(self, expression, seconds=60):
        """Until the expression is true; → its value."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            value = self.evaluate(expression)
            if value:
                return value
            time.sleep(0.2)
        raise RuntimeError(f"after {seconds} s still not: {expression}")

    def picture(self, **clip):
        """PNG of the window, or of a part: x, y, width, height."""
        more = {"clip": {**clip, "scale": 1}} if clip else {}
        return base64.b64decode(self.call("Page.captureScreenshot", format="png", **more)["data"])
