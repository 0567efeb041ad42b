#!/usr/bin/env python3
"""nginx as a server of the benchmarks: one process, no logs, the constant answer. This program finds a free port,
writes the configuration and becomes nginx; a grandchild waits until that listens and prints the port. The
configuration is left in TMPDIR, for whoever made that to remove."""

import os
import pathlib
import shutil
import socket
import sys
import tempfile
import time

CONFIGURATION = """
daemon off;
master_process off;
pid %(home)s/pid;
error_log stderr crit;
events { worker_connections 25000; multi_accept on; }
http {
    access_log off;
    default_type text/plain;
    keepalive_requests 2000000000;
    client_body_temp_path %(home)s; proxy_temp_path %(home)s; fastcgi_temp_path %(home)s;
    uwsgi_temp_path %(home)s; scgi_temp_path %(home)s;
    server {
        listen 127.0.0.1:%(port)d;
        location = /hello { return 200 "Hello, World!"; }
        location / { return 404; }
    }
}
"""


def announce(port):
    limit = time.monotonic() + 5
    while time.monotonic() < limit:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.01)
            continue
        print(f"port {port}", flush=True)
        return


def main():
    if sys.argv[1:] != ["--mode", "http"]:
        sys.exit("usage: nginx_http.py --mode http")
    program = shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if not program:
        sys.exit("no nginx here")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = tempfile.mkdtemp(prefix="nginx-")
    configuration = pathlib.Path(home, "nginx.conf")
    configuration.write_text(CONFIGURATION % {"home": home, "port": port})
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            announce(port)
        os._exit(0)
    os.waitpid(child, 0)
    os.execv(program, [program, "-p", home, "-c", str(configuration)])


if __name__ == "__main__":
    main()
