"""A headless Chromium, driven over a pair of pipes: no library, no port."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests.waiting import wait_until

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


class Browser:
    """One browser with one page, on a profile of its own."""

    def __init__(self, profile: Path, *, width: int = 1200, height: int = 900) -> None:
        assert CHROMIUM is not None
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads commands from descriptor 3 and writes what happens to 4.
        script = f'exec 3<&{theirs_in} 4>&{theirs_out}; exec "$@"'
        options = [
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"),
            *("--remote-debugging-pipe", f"--user-data-dir={profile}", f"--window-size={width},{height}"),
        ]
        self._process = subprocess.Popen(
            ["bash", "-c", script, "browser", CHROMIUM, *options, "about:blank"],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._number = 0
        self._rest = b""
        self.said: list[str] = []
        """What the page's scripts complained of, and dialogs that they opened."""
        targets = wait_until(lambda: [t for t in self._call("Target.getTargets")["targetInfos"] if t["type"] == "page"])
        attached = self._call("Target.attachToTarget", targetId=targets[0]["targetId"], flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **about: Any) -> Any:
        """Send a command to the page and give its answer."""
        return self._call(method, self._session, **about)

    def go(self, url: str) -> None:
        """Open an address."""
        self.call("Page.navigate", url=url)

    def js(self, expression: str) -> Any:
        """Return the value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self) -> str:
        """Return what can be read on the page."""
        found: str = self.js("document.body ? document.body.innerText : ''")
        return found

    def sees(self, words: str) -> None:
        """Wait until some words can be read on the page."""
        wait_until(lambda: words in self.text())

    def click(self, words: str) -> None:
        """Press the button of these words, once it is there."""
        find = (
            f"[...document.querySelectorAll('button')].find((b) => b.innerText === {json.dumps(words)} && !b.disabled)"
        )
        wait_until(lambda: self.js(f"!!{find}"))
        self.js(f"{find}.click()")

    def type(self, selector: str, words: str) -> None:
        """Type words into a field, as a keyboard does."""
        self.js(f"document.querySelector({json.dumps(selector)}).focus()")
        self.call("Input.insertText", text=words)

    def key(self, key: str, code: int) -> None:
        """Press and release a key."""
        text = {"text": "\r"} if key == "Enter" else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code, **text)

    def close(self) -> None:
        """End the browser."""
        self._process.kill()
        self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def _call(self, method: str, session: str | None = None, **about: Any) -> Any:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": about}
        if session:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            found = self._read()
            if found.get("id") == self._number:
                assert "error" not in found, found
                return found["result"]
            self._hear(found)

    def _hear(self, event: Any) -> None:
        about = event.get("params", {})
        if event.get("method") == "Page.javascriptDialogOpening":
            self.said.append(f"dialog: {about['message']}")
        elif event.get("method") == "Runtime.exceptionThrown":
            self.said.append(json.dumps(about["exceptionDetails"])[:500])
        elif event.get("method") == "Log.entryAdded" and about["entry"]["source"] == "security":
            self.said.append(about["entry"]["text"])

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            chunk = os.read(self._in, 1 << 16)
            assert chunk, "the browser ended"
            self._rest += chunk
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)
