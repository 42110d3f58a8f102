"""Chromium without a window, spoken to over its own debugging protocol by a pair of pipes.

    with Browser(folder) as browser:
        page = browser.open(server.url("/api/dashboard"), width=360, height=740, scheme="dark")
        assert page.run("document.title") == "Sluice"
        page.shoot(folder / "page.png")

Each page is a profile of its own. What it asked for, wrote to its console and failed at is kept: page.requests, page.console.
page.fake(pattern, ...) answers in place of the server, before the request leaves the browser.
"""

import base64
import fcntl
import json
import os
import shutil
import subprocess
import threading
import time

import harness

PROGRAM = "chromium"
FOLDER = harness.ROOT / "build/dashboard"  # for pictures
ANSWER_DEADLINE_S = 60
OPTIONS = [
    "--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-default-apps", "--disable-dev-shm-usage", "--hide-scrollbars",
    "--disable-extensions", "--disable-features=Translate,MediaRouter,OptimizationHints",
]  # fmt: skip


def missing():
    """Why there can be no browser, or None."""
    return None if shutil.which(PROGRAM) else f"there is no {PROGRAM}"


def high_pipe():
    """Above the two descriptors that chromium wants, so that neither is overwritten before it has been copied."""
    low = os.pipe()
    high = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 10) for fd in low]
    for fd in low:
        os.close(fd)
    return high


class Browser:
    """`folder` takes the profile."""

    def __init__(self, folder):
        self.folder = folder
        self.pages = {}
        self._answers, self._arrived, self._last, self._ended = {}, threading.Condition(), 0, False

    # --- life

    def __enter__(self):
        their_in, self._out = high_pipe()
        self._in, their_out = high_pipe()
        command = ["bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "bash", PROGRAM, *OPTIONS, f"--user-data-dir={self.folder}"]
        with open(self.folder / "chromium.log", "wb") as log:
            self.popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, pass_fds=(their_in, their_out))
        os.close(their_in)
        os.close(their_out)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        return self

    def __exit__(self, *_):
        try:
            self.call("Browser.close")
            self.popen.wait(10)
        except (AssertionError, OSError, subprocess.TimeoutExpired):
            self.popen.kill()
            self.popen.wait()
        self._reader.join(10)
        os.close(self._out)
        os.close(self._in)

    # --- the protocol: JSON, with a NUL behind each message

    def _read(self):
        rest = b""
        while chunk := os.read(self._in, 1 << 16):
            *messages, rest = (rest + chunk).split(b"\0")
            for message in messages:
                self._take(json.loads(message))
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def _take(self, message):
        if "id" not in message:
            page = self.pages.get(message.get("sessionId"))
            if page:
                page.take(message["method"], message["params"])
            return
        with self._arrived:
            if message["id"] in self._answers:
                self._answers[message["id"]] = message
            self._arrived.notify_all()

    def send(self, method, session=None, wanted=False, **params):
        """Returns the number that the answer will have."""
        with self._arrived:
            self._last += 1
            message = {"id": self._last, "method": method, "params": params, **({"sessionId": session} if session else {})}
            if wanted:
                self._answers[self._last] = None
            text = json.dumps(message).encode() + b"\0"
            while text:
                text = text[os.write(self._out, text) :]
            return message["id"]

    def call(self, method, session=None, **params):
        number = self.send(method, session, wanted=True, **params)
        with self._arrived:
            self._arrived.wait_for(lambda: self._answers[number] or self._ended, ANSWER_DEADLINE_S)
            answer = self._answers.pop(number)
        assert answer, f"chromium does not answer {method}; see {self.folder}/chromium.log"
        assert "error" not in answer, f"{method}: {answer.get('error')}"
        return answer["result"]

    # --- pages

    def open(self, url=None, **looks):
        """A Page, with the looks of Page.look(); shows `url`, if there is one, after what is faked by `fakes`."""
        fakes = looks.pop("fakes", {})
        context = self.call("Target.createBrowserContext")["browserContextId"]
        target = self.call("Target.createTarget", url="about:blank", browserContextId=context)["targetId"]
        page = Page(self, self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"], context)
        self.pages[page.session] = page
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.call(f"{domain}.enable")
        page.look(**looks)
        for pattern, fake in fakes.items():
            page.fake(pattern, **fake)
        if url:
            page.show(url)
        return page


class Page:
    """requests: their URLs. console: (source, text) of each warning, error and exception."""

    def __init__(self, browser, session, context):
        self.browser, self.session, self.context = browser, session, context
        self.requests, self.console, self.loads, self.fakes = [], [], 0, {}

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def close(self):
        self.browser.call("Target.disposeBrowserContext", browserContextId=self.context)
        del self.browser.pages[self.session]

    # on the thread that reads: it must not wait for answers
    def take(self, method, params):
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Page.loadEventFired":
            self.loads += 1
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.console.append(("console", json.dumps(params["args"])))
        elif method == "Runtime.exceptionThrown":
            self.console.append(("exception", json.dumps(params["exceptionDetails"])))
        elif method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.console.append((params["entry"]["source"], f"{params['entry']['text']} {params['entry'].get('url', '')}"))
        elif method == "Fetch.requestPaused":
            self._answer(params["requestId"], params["request"]["url"])

    def _answer(self, number, url):
        for pattern, fake in self.fakes.items():
            if url.split("?")[0].endswith(pattern):
                self.browser.send("Fetch.fulfillRequest", self.session, requestId=number, **fake)
                return
        self.browser.send("Fetch.continueRequest", self.session, requestId=number)

    def fake(self, path_end, body="", status=200, content_type="application/json"):
        """From now on requests whose path ends so get that answer. A body that is no text is JSON; status None: no longer."""
        if status is None:
            self.fakes.pop(path_end, None)
        else:
            text = body if isinstance(body, str) else json.dumps(body)
            self.fakes[path_end] = {
                "responseCode": status, "body": base64.b64encode(text.encode()).decode(),
                "responseHeaders": [{"name": "Content-Type", "value": content_type}],
            }  # fmt: skip
        self.call("Fetch.enable", patterns=[{"urlPattern": f"*{end}*"} for end in self.fakes] or [{"urlPattern": "nothing:"}])

    def look(self, width=1280, height=900, scheme="light", motion="no-preference", scale=1, mobile=False):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=mobile)
        features = {"prefers-color-scheme": scheme, "prefers-reduced-motion": motion}
        self.call("Emulation.setEmulatedMedia", features=[{"name": name, "value": value} for name, value in features.items()])

    def show(self, url):
        """Returns when the page has been loaded."""
        before = self.loads
        result = self.call("Page.navigate", url=url)
        assert not result.get("errorText"), f"{url}: {result['errorText']}"
        end = time.monotonic() + ANSWER_DEADLINE_S
        while self.loads == before:
            assert time.monotonic() < end, f"{url} does not load"
            time.sleep(0.01)

    def run(self, expression):
        """The value of a JavaScript expression, waited for if it is a promise."""
        done = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in done, done["exceptionDetails"]
        return done["result"].get("value")

    def press(self, key, code):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)

    def shoot(self, path, whole=True):
        """Writes a picture of the page, or of what its window shows."""
        path.parent.mkdir(parents=True, exist_ok=True)
        taken = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(taken["data"]))
