#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Opens the page of the hub in a real browser and looks whether it lives: page_test.py PROGRAM

Starts the hub and Chromium (headless, by chromedriver and the WebDriver protocol, which is JSON over HTTP), then does what
a visitor does: watches, switches a lamp, sees somebody come by nc's way, speaks to him, closes his connection, uploads a
file. Ends with 77 and says so where there is no browser.
"""

import json
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PATIENCE = 20  # seconds
SKIPPED = 77


def waited_for(what, look):
    end = time.monotonic() + PATIENCE
    while True:
        found = look()
        if found:
            return found
        if time.monotonic() > end:
            raise SystemExit(f"page_test: {what}: not seen within {PATIENCE} s")
        time.sleep(0.1)


class Browser:
    def __init__(self, driver, chromium, profile):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{port}"
        self.process = subprocess.Popen(
            [driver, f"--port={port}"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        waited_for("chromedriver", self.is_up)
        options = {
            "binary": chromium,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                "--disable-background-networking", "--disable-component-update", f"--user-data-dir={profile}",
                "--window-size=1000,900",
            ],
        }
        wanted = {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "acceptInsecureCerts": True}}}
        self.session = self.call("POST", "/session", wanted)["sessionId"]

    def is_up(self):
        try:
            return self.call("GET", "/status")["ready"]
        except (urllib.error.URLError, ConnectionError):
            return False

    def call(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["value"]

    def open(self, url):
        self.call("POST", f"/session/{self.session}/url", {"url": url})

    def run(self, script, *arguments):
        return self.call("POST", f"/session/{self.session}/execute/sync", {"script": script, "args": list(arguments)})

    def resize(self, width, height):
        self.call("POST", f"/session/{self.session}/window/rect", {"width": width, "height": height})

    def stop(self):
        try:
            self.call("DELETE", f"/session/{self.session}")
        except (urllib.error.URLError, ConnectionError, AttributeError):
            pass
        self.process.terminate()
        self.process.wait(PATIENCE)


def check(what, as_expected):
    print(f"  {'ok   ' if as_expected else 'WRONG'} {what}", flush=True)
    if not as_expected:
        raise SystemExit(f"page_test: {what}")


def visit(browser, url, line_port):
    text = lambda selector: browser.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector)
    browser.open(url)
    waited_for("the page is live", lambda: text("#live") == "live")
    waited_for("ports are listed", lambda: "line" in text("#ports"))
    check("the page is live and lists the ports", True)

    lamp = "#devices button[aria-label=lamp]"
    waited_for("the lamp is off", lambda: text(lamp) == "off")
    browser.run("document.querySelector(arguments[0]).click()", lamp)
    waited_for("the lamp is on", lambda: text(lamp) == "on")
    check("a click switches the lamp, and the page shows it", True)

    with socket.create_connection(("127.0.0.1", line_port), PATIENCE) as peer:
        name = "{}:{}".format(*peer.getsockname())
        waited_for("the new peer is listed", lambda: name in text("#connections"))
        peer.sendall(b"get lamp\n")
        lines = peer.makefile("r")
        check("the peer sees the lamp that the page has switched", lines.readline() == "ok on\n")
        waited_for("the message is shown", lambda: "get lamp" in text("#messages"))
        check("who comes and what he says appears without a reload", True)

        browser.run(
            "[...document.querySelectorAll('#connections tr')].find(row => row.textContent.includes(arguments[0]))"
            ".querySelector('button').click();"
            "document.querySelector('#send-text').value = arguments[1];"
            "document.querySelector('#send button[value=send]').click()",
            name, "hello <b>from</b> the page")
        check("a line typed on the page reaches the peer", lines.readline() == "hello <b>from</b> the page\n")

        peer.sendall(b"echo <img src=x onerror=document.title='taken'>\n")
        lines.readline()
        waited_for("markup is shown as text", lambda: "<img src=x" in text("#messages"))
        check("markup of a peer stays text", browser.run("return document.title !== 'taken' && !document.querySelector('#messages img')"))

        browser.run(
            "[...document.querySelectorAll('#connections tr')].find(row => row.textContent.includes(arguments[0]))"
            ".querySelector('button:last-of-type').click()", name)
        check("Close ends the connection in good order", lines.readline() == "")
    waited_for("the peer is gone from the list", lambda: name not in text("#connections"))

    browser.run(
        "const files = new DataTransfer(); files.items.add(new File(['123456789'], 'digits.txt'));"
        "document.querySelector('#upload input[type=file]').files = files.files;"
        "document.querySelector('#upload button').click()")
    waited_for("the upload's checksum", lambda: "cbf43926" in text("#uploaded"))
    check("an uploaded file arrives whole", True)

    browser.resize(390, 800)
    check("on a phone nothing is wider than the screen", browser.run(
        "return document.documentElement.scrollWidth <= document.documentElement.clientWidth"))


def main():
    driver = shutil.which("chromedriver")
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if not driver or not chromium:
        print("page_test: skipped: Chromium or chromedriver is not here (packages chromium and chromium-driver)")
        return SKIPPED
    options = [arg for what in ("line", "packet", "refused", "udp", "web", "https") for arg in (f"--{what}-ports", "0")]
    hub = subprocess.Popen([sys.argv[1], *options], stdout=subprocess.PIPE, text=True)
    browser = None
    try:
        with tempfile.TemporaryDirectory() as profile:
            where = {}
            for line in hub.stdout:
                found = re.match(r"(\w+) port on 127\.0\.0\.1:(\d+)", line)
                if found:
                    where[found[1]] = int(found[2])
                if line.startswith("ready"):
                    break
            browser = Browser(driver, chromium, pathlib.Path(profile))
            for scheme, port in (("http", "web"), ("https", "https")):
                if port in where:
                    print(f"== the page by {scheme}", flush=True)
                    visit(browser, f"{scheme}://127.0.0.1:{where[port]}/", where["line"])
                    browser.run("return fetch('api/devices/lamp', {method: 'POST', body: 'off'}).then(() => true)")
            browser.stop()
            browser = None
    finally:
        if browser:
            browser.stop()
        hub.send_signal(signal.SIGTERM)
        hub.wait(PATIENCE)
    print("page_test: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
