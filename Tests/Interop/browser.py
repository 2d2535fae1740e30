"""Chromium for the scripts that walk through the server's page, and what they count."""

import base64, json, re, subprocess, time
from pathlib import Path

import axe_playwright_python
import websocket

AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text()
passed = 0


def check(what, holds, seen=""):
    global passed
    assert holds, f"{what}: {seen}"
    passed += 1


class Browser:
    """Chromium by its own protocol; `pictures` is a folder for those that are taken, or None."""

    def __init__(self, folder, pictures=None):
        self.pictures = pictures
        command = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0",
                   "--remote-allow-origins=*", f"--user-data-dir={folder}", "about:blank"]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if found := re.search(r"ws://\S+", line):
                break
        self.socket = websocket.create_connection(found[0], timeout=240)
        self.count, self.session, self.problems = 0, None, []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ["Page", "Runtime", "Log"]:
            self.call(f"{domain}.enable")

    def call(self, method, **parameters):
        self.count += 1
        message = {"id": self.count, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        self.socket.send(json.dumps(message))
        while True:
            answer = json.loads(self.socket.recv())
            if answer.get("method") == "Log.entryAdded" and answer["params"]["entry"]["level"] == "error":
                self.problems.append(answer["params"]["entry"]["text"])
            if answer.get("method") == "Runtime.exceptionThrown":
                self.problems.append(str(answer["params"]["exceptionDetails"]))
            if answer.get("id") == self.count:
                assert "error" not in answer, answer
                return answer["result"]

    def run(self, script):
        result = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def wait(self, condition, seconds=240):
        end = time.monotonic() + seconds
        while not self.run(f"Boolean({condition})"):
            assert time.monotonic() < end, f"{condition} did not come: {self.run('document.body.innerText')}"
            time.sleep(0.1)

    def size(self, width, height=900, dark=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])

    def picture(self, name):
        check(f"{name}: nothing runs over", self.run("document.documentElement.scrollWidth <= innerWidth"))
        if self.pictures:
            self.pictures.mkdir(parents=True, exist_ok=True)
            data = self.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
            (self.pictures / f"{name}.png").write_bytes(base64.b64decode(data))

    def key(self, name, code):
        for kind in ["keyDown", "keyUp"]:
            self.call("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)

    def axe(self, where):
        self.run(AXE)
        found = self.run("axe.run().then((result) => result.violations.map((one) => one.id + ': ' + one.nodes.map((node) => node.html).slice(0, 3).join(' ')))")
        check(f"axe, {where}", not found, found)

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait()
