#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Programs that many trusted servers meet, in front of example_web_server: web_peers_test.py <directory of the programs>

HAProxy and nginx as proxies that keep their connections, wrk with many connections, slowhttptest with slow heads, slow
bodies and slow reading while others go on to be served. What is not installed is left out, and said so.
"""

import contextlib
import http.client
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
import unittest

PROGRAMS = pathlib.Path(sys.argv.pop(1))
PATIENCE = 20  # seconds


def program(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def child(*command, **options):
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, **options}
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, text=True, **options)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def fetch(web, method, path, body=None):
    web.request(method, path, body)
    answer = web.getresponse()
    return answer.status, answer.read()


class Peers(unittest.TestCase):
    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.root = pathlib.Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.root.chmod(0o755)
        self.large = bytes(range(256)) * 4096  # 1 MiB
        (self.root / "large.bin").write_bytes(self.large)
        server = self.stack.enter_context(child(PROGRAMS / "example_web_server", "0", str(self.root)))
        self.port = int(server.stdout.readline().rsplit(":", 1)[1])

    def need(self, name):
        found = program(name)
        if not found:
            self.skipTest(f"{name} is not installed")
        return found

    def behind(self, port):
        """What a proxy passes on has to arrive, both ways, and many times over the same connections."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as web:
            for percent in range(50):
                wanted = json.dumps({"on": True, "percent": percent}, separators=(",", ":")).encode()
                self.assertEqual(fetch(web, "PUT", "/lamps/hall", wanted), (200, wanted))
                self.assertEqual(fetch(web, "GET", "/lamps/hall"), (200, wanted))
            pieces, chunked = iter([b'{"on":', b"false}"]), {"Transfer-Encoding": "chunked"}
            web.request("PUT", "/lamps/hall", pieces, chunked, encode_chunked=True)
            answer = web.getresponse()
            self.assertEqual((answer.status, answer.read()), (200, b'{"on":false}'))
            self.assertEqual(fetch(web, "GET", "/files/large.bin"), (200, self.large))
            self.assertEqual(fetch(web, "HEAD", "/files/large.bin"), (200, b""))
            self.assertEqual(fetch(web, "GET", "/nothing")[0], 404)

    def test_haproxy_passes_everything_on(self):
        haproxy, port = self.need("haproxy"), free_port()
        config = self.root / "haproxy.cfg"
        config.write_text(
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 20s\n  timeout server 20s\n  http-reuse always\n"
            f"listen web\n  bind 127.0.0.1:{port}\n  server one 127.0.0.1:{self.port}\n"
        )
        with child(haproxy, "-db", "-f", str(config)):
            self.behind(port)

    def test_nginx_passes_everything_on(self):
        nginx, port = self.need("nginx"), free_port()
        config = self.root / "nginx.conf"
        config.write_text(
            f"daemon off; master_process off; pid {self.root}/pid; error_log {self.root}/error.log;\n"
            "events { worker_connections 256; }\n"
            f"http {{ access_log off; client_body_temp_path {self.root}/a; proxy_temp_path {self.root}/b;\n"
            f"  fastcgi_temp_path {self.root}/c; uwsgi_temp_path {self.root}/d; scgi_temp_path {self.root}/e;\n"
            f"  upstream one {{ server 127.0.0.1:{self.port}; keepalive 4; }}\n"
            f"  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://one; proxy_http_version 1.1;\n"
            '    proxy_set_header Connection ""; proxy_request_buffering off; } } }\n'
        )
        with child(nginx, "-p", str(self.root), "-c", str(config)):
            self.behind(port)

    def test_wrk_gets_an_answer_to_everything(self):
        wrk = self.need("wrk")
        done = subprocess.run(
            [wrk, "-t1", "-c64", "-d2s", f"http://127.0.0.1:{self.port}/"],
            capture_output=True, text=True, timeout=60, check=True,
        )
        self.assertNotIn("Socket errors", done.stdout)
        self.assertNotIn("Non-2xx", done.stdout)
        self.assertGreater(int(re.search(r"(\d+) requests in", done.stdout)[1]), 0)

    def test_slow_clients_hold_nobody_else_up(self):
        slow = self.need("slowhttptest")
        for what, arguments in (
            ("heads", ["-H", "-u", f"http://127.0.0.1:{self.port}/"]),
            ("bodies", ["-B", "-t", "PUT", "-u", f"http://127.0.0.1:{self.port}/lamps/hall"]),
            ("readers", ["-X", "-w", "512", "-y", "1024", "-n", "1", "-z", "32", "-k", "1",
                         "-u", f"http://127.0.0.1:{self.port}/files/large.bin"]),
        ):
            with self.subTest(what):
                attack = [slow, "-c", "200", "-r", "200", "-i", "1", "-l", "5", "-p", "5", *arguments]
                with child(*attack, cwd=self.root, stdout=subprocess.DEVNULL) as attacker:
                    served = 0
                    while attacker.poll() is None:
                        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as web:
                            self.assertEqual(fetch(web, "GET", "/"), (200, b"<h1>A house with lamps</h1>\n"))
                        served += 1
                        time.sleep(0.05)
                    self.assertGreater(served, 0)


if __name__ == "__main__":
    unittest.main()
