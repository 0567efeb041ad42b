#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Shows the hub at work, with clients that are not ours: nc, socat and Python's sockets.

    demo.py [--hub PROGRAM]

Starts the hub on loopback, talks to it, tries what a policy and a framing limit are for, loads it, stops it under that
load, and compares what the hub says it answered with what its clients received. The last line is `demo: ok` and the
status 0 when everything was as expected; 1, with what was wrong, when not. On a terminal the hub stays up afterwards,
until Ctrl-C. Needs nothing but Python's standard library; nc and socat are used where they are there.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib

STRANGER = "127.0.0.66"  # the hub is told to refuse this address
GROUP = "239.255.71.4"  # stays within a site, RFC 2365
FREE_PORTS = [
    argument
    for kind in ("line", "packet", "refused", "udp", "web", "https", "message")
    for argument in (f"--{kind}-ports", "0")
]
MESSAGE_CLIENT = pathlib.Path(__file__).resolve().parent.parent / "message_client.py"
PATIENCE = 10  # seconds: nothing here takes long, unless it is broken
LOAD_SECONDS = 3


# --- what is shown, and what was wrong --------------------------------------------------------------------------------

problems = []


def say(text=""):
    print(text, flush=True)


def title(text):
    say(f"\n== {text}")


def shown(text, limit=130):
    text = text if text.isprintable() else repr(text)[1:-1]
    return text if len(text) <= limit else f"{text[:limit - 4]} ..."


def exchange(who, sent, received):
    for text in sent:
        say(f"  {who:>6} > {shown(text)}")
    for text in received:
        say(f"  {'hub':>6} < {shown(text)}")


def check(what, as_expected):
    if not as_expected:
        problems.append(what)
        say(f"  WRONG: {what}")
    return as_expected


# --- the hub ----------------------------------------------------------------------------------------------------------


class Hub:
    """The hub as our child. What it prints is kept, line by line."""

    def __init__(self, program, *options):
        # A session of its own: Ctrl-C is for us, and we stop it.
        self.process = subprocess.Popen(
            [program, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.out, self.log = [], []
        self.news = threading.Condition()
        self.readers = [
            threading.Thread(target=self._read, args=pipe, daemon=True)
            for pipe in ((self.process.stdout, self.out), (self.process.stderr, self.log))
        ]
        for reader in self.readers:
            reader.start()

    def _read(self, pipe, lines):
        for line in pipe:
            with self.news:
                lines.append(line.rstrip("\n"))
                self.news.notify_all()

    def line_with(self, lines, pattern, since=0):
        """The first line that the pattern is found in, waited for."""
        end = time.monotonic() + PATIENCE
        with self.news:
            while True:
                for line in lines[since:]:
                    if re.search(pattern, line):
                        return line
                left = end - time.monotonic()
                if left <= 0 or not self.news.wait(min(left, 0.5)) and self.process.poll() is not None:
                    return None

    def start(self):
        if self.line_with(self.out, "^ready") is None:
            self.stop()
            raise SystemExit("\n".join([*self.out, *self.log, "demo: the hub did not start"]))
        self.ports = {}
        for line in self.out:
            where = re.match(r"(\w+) port on (\S+):(\d+)(?: by \S+)?: ", line)
            if where:
                self.ports[where[1]] = (where[2], int(where[3]))
            say(f"  {line}")

    def ended(self):
        """Its status, when it has ended within our patience."""
        try:
            status = self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            return None
        for reader in self.readers:
            reader.join(PATIENCE)
        return status

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            if self.ended() is None:
                self.process.kill()
                self.process.wait()


# --- clients that are not ours ----------------------------------------------------------------------------------------


def run_client(command, text):
    """Runs a program with `text` as its input: (lines that it printed, its complaints, its status)."""
    try:
        done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return [], "it did not end", None
    return done.stdout.decode().splitlines(), done.stderr.decode().strip(), done.returncode


def nc_command(host, port):
    """Of the several programs of this name not all have -N: hang up when the input has ended."""
    told = subprocess.run(["nc", "-h"], capture_output=True, text=True, check=False)
    hang_up = ["-N"] if "-N" in told.stdout + told.stderr else ["-q", "1"]
    return ["nc", *hang_up, host, str(port)]


def connect(where, source=None):
    return socket.create_connection(where, PATIENCE, (source, 0) if source else None)


def packet(body):
    return struct.pack(">I", len(body)) + body


def receive_exactly(peer, count):
    data = b""
    while len(data) < count:
        more = peer.recv(count - len(data))
        if not more:
            raise EOFError(f"the end of the stream after {len(data)} of {count} bytes")
        data += more
    return data


def receive_packet(peer):
    return receive_exactly(peer, struct.unpack(">I", receive_exactly(peer, 4))[0])


def end_seen(peer):
    """What the peer does to us: "end of stream", "reset", or bytes that it sent."""
    try:
        data = peer.recv(65536)
    except ConnectionResetError:
        return "reset"
    except socket.timeout:
        return "nothing"
    return repr(data) if data else "end of stream"


# --- the scenes -------------------------------------------------------------------------------------------------------


def group_member():
    """A socket that hears what is said to the group, by loopback, on a port of its own."""
    member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    member.bind(("", 0))
    where = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
    member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, where)
    member.settimeout(PATIENCE)
    return member


def mdns_question(name):
    """Asks the link who has that name (RFC 6762), by loopback: everything that is answered."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    question = struct.pack(">6H", 0x7104, 0, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 12, 1)  # PTR, IN
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
        asker.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("127.0.0.1"))
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            asker.sendto(question, ("224.0.0.251", 5353))
            asker.settimeout(1)
            try:
                answer = asker.recv(9000)
            except socket.timeout:
                continue
            if answer[:2] == question[:2] and struct.unpack(">H", answer[6:8])[0] > 0:
                return answer
    return b""


class Demo:
    def __init__(self, program):
        self.member = group_member()
        self.name = f"Hub of the demo {os.getpid()}"
        self.secret = os.urandom(16).hex()
        self.scratch = tempfile.TemporaryDirectory()
        secret_file = pathlib.Path(self.scratch.name, "secret")
        secret_file.write_text(self.secret + "\n")
        self.hub = Hub(
            program,
            *FREE_PORTS,
            *("--secret-file", str(secret_file)),
            *("--contexts", "2", "--deny", STRANGER, "--log", "info"),
            *("--group", GROUP, "--news-port", str(self.member.getsockname()[1]), "--name", self.name),
        )
        self.answers = {"line": 0, "packet": 0}  # that our clients have received

    def run(self):
        title("the hub starts; each of its ports has a policy")
        self.hub.start()
        self.line_port()
        self.packet_port()
        self.datagrams()
        self.refusals()
        self.broken_framing()
        self.who_and_where()
        self.page()
        self.messages()
        self.counters()
        self.stop_under_load()

    def command_by(self, who, command, requests, expected, end="\n"):
        answers, complaint, status = run_client(command, "".join(request + end for request in requests))
        self.answers["line"] += len(answers)
        exchange(who, requests, answers)
        check(f"{who} received {answers} and not {expected}", answers == expected)
        check(f"{who} ended with {status}: {complaint}", status == 0)

    def line_port(self):
        host, port = self.hub.ports["line"]
        tools = 0
        if shutil.which("nc"):
            tools += 1
            title(f"nc talks to the line port: nc {host} {port}")
            self.command_by(
                "nc",
                nc_command(host, port),
                ["count", "get temperature", "set dimmer 70", "set dimmer 200", "get fridge", "list", "quit"],
                [
                    "ok 5",
                    "ok 21.5 C",
                    "ok 70",
                    "error dimmer can be set to 0 to 100",
                    'error there is no device "fridge"; try list',
                    "ok dimmer = 70, heating = on, humidity = 47 %, lamp = off, temperature = 21.5 C",
                    "ok bye",
                ],
            )
        if shutil.which("socat"):
            tools += 1
            title("socat does, with CR LF at the end of its lines; another connection, the same house")
            self.command_by(
                "socat",
                ["socat", "-t", "5", "-", f"TCP:{host}:{port}"],
                ["get dimmer", "set lamp on", "get lamp"],
                ["ok 70", "ok on", "ok on"],
                end="\r\n",
            )
        if tools < 2:
            say("  (not both of nc and socat are on this machine; what is there was used)")

    def packet_port(self):
        title("Python's socket and struct talk to the packet port: a length of 4 bytes, then the command")
        blob = bytes(range(256))  # every byte, line ends too, goes through as it is
        with connect(self.hub.ports["packet"]) as peer:
            for request, expected in (
                (b"get lamp", b"ok on"),
                (b"checksum " + blob, b"ok %08x" % zlib.crc32(blob)),
                (b"echo " + blob, b"ok " + blob),
            ):
                peer.sendall(packet(request))
                answer = receive_packet(peer)
                self.answers["packet"] += 1
                exchange("python", [repr(packet(request))[2:-1]], [repr(packet(answer))[2:-1]])
                check(f"the packet port answered {answer!r} and not {expected!r}", answer == expected)
        say("  (the checksum is the one that zlib.crc32 computes)")

    def datagrams(self):
        port = self.hub.ports["udp"][1]
        self.udp_handled = 0
        introduction = "portunus_hub " + " ".join(
            f"{name} {self.hub.ports[name][1]}" for name in ("line", "packet", "refused")
        )
        news = self.news()  # of what the ports before have changed
        check(f"the group was told {news}", {"dimmer = 70", "lamp = on"} <= set(news))

        if shutil.which("socat"):
            title(f"socat by UDP: one datagram is one command; who looks for the hub finds it at {GROUP}")
            for how, where, request, expected in (
                ("unicast", f"UDP:127.0.0.1:{port}", "get lamp", "ok on"),
                ("IPv6", f"UDP:[::1]:{port}", "get dimmer", "ok 70"),
                ("group", f"UDP-DATAGRAM:{GROUP}:{port},ip-multicast-if=127.0.0.1", "who", introduction),
                ("broadcast", f"UDP-DATAGRAM:127.255.255.255:{port},broadcast", "who", introduction),
                ("group", f"UDP-DATAGRAM:{GROUP}:{port},ip-multicast-if=127.0.0.1", "set lamp off", ""),
                ("stranger", f"UDP:127.0.0.1:{port},bind={STRANGER}", "who", ""),
            ):
                if how == "IPv6" and "::" not in self.hub.ports["udp"][0]:
                    continue
                answers, complaint, status = run_client(["socat", "-T", "1", "-t", "1", "-", where], request)
                self.udp_handled += bool(expected)
                exchange("socat", [f"({how}) {request}"], answers or ["(nothing)"])
                check(f"{how}: socat received {answers} and not {expected!r}", "".join(answers) == expected)
                check(f"{how}: socat ended with {status}: {complaint}", status == 0)
            say("  (a command for many may ask who is there, and switch nothing; a stranger hears nothing at all)")

        title("Python by UDP: every size arrives whole; the group hears what has changed")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
            peer.settimeout(PATIENCE)
            peer.connect(("127.0.0.1", port))
            blob = bytes(range(256)) * 250
            for request, expected in (
                (b"", b"error unknown command; try help"),
                (b"checksum " + blob, b"ok %08x" % zlib.crc32(blob)),
                (b"set lamp off", b"ok off"),
            ):
                peer.send(request)
                answer = peer.recv(65536)
                self.udp_handled += 1
                sent = request.decode("latin-1") if len(request) < 100 else f"checksum of {len(blob)} bytes"
                exchange("python", [sent or "(no byte at all)"], [answer.decode()])
                check(f"the udp port answered {answer!r} and not {expected!r}", answer == expected)
        news = self.news(1)
        say(f"  python, a member of {GROUP}, heard: {', '.join(news)}")
        check(f"the group was told {news}", news == ["lamp = off"])

        title("Python asks the link by mDNS who is a hub: it is found by its name, with its port")
        answer = mdns_question("_portunus._tcp.local")
        line_port = struct.pack(">H", self.hub.ports["line"][1])
        exchange("python", ["PTR _portunus._tcp.local?"], [f"{self.name}, {len(answer)} bytes of records"])
        check(f"the answer does not have its name: {answer!r}", self.name.encode() in answer)
        check(f"the answer does not have its port: {answer!r}", line_port in answer)

    def news(self, wanted=None):
        """What the group was told since the last time: so many, or what is there already."""
        heard = []
        self.member.settimeout(PATIENCE if wanted else 0.5)
        while wanted is None or len(heard) < wanted:
            try:
                heard.append(self.member.recv(2000).decode())
            except (socket.timeout, BlockingIOError):
                break
        return heard

    def refusals(self):
        title("who is not welcome sees a reset, and the log says why")
        for port, source in (("refused", "127.0.0.1"), ("line", STRANGER)):
            since = len(self.hub.log)
            try:
                with connect(self.hub.ports[port], source) as peer:
                    seen = end_seen(peer)
            except ConnectionResetError:
                seen = "reset"
            say(f"  python from {source} to the {port} port: {seen}")
            check(f"a refused peer saw: {seen}", seen == "reset")
            entry = self.hub.line_with(self.hub.log, rf"a peer was refused remote={re.escape(source)}:", since)
            say(f"    log: {entry}")
            check("the refusal is not in the log", entry is not None and "refused by rule 1 (deny" in entry)

    def broken_framing(self):
        title("a message over the limit ends its own connection, and nothing else")
        with connect(self.hub.ports["packet"]) as neighbour:
            for what, port, data, pattern in (
                ("announces 4 GB", "packet", b"\xff\xff\xff\xff", "frame too large: .*4294967295.*65536"),
                ("sends a line without end", "line", b"x" * 70_000, "frame too large: .*65536"),
                ("hangs up inside a message", "packet", packet(b"get lamp")[:7], "inside a frame: "),
            ):
                since = len(self.hub.log)
                with connect(self.hub.ports[port]) as peer:
                    peer.sendall(data)
                    if "hangs up" in what:
                        peer.shutdown(socket.SHUT_WR)
                    seen = end_seen(peer)
                say(f"  python {what}: {seen}")
                check(f"it {what}, and saw: {seen}", seen == "end of stream")
                entry = self.hub.line_with(self.hub.log, rf"broke the protocol: .*{pattern}", since)
                say(f"    log: {entry}")
                check(f"it {what}: that is not in the log", entry is not None)
            neighbour.sendall(packet(b"echo still here"))
            answer = receive_packet(neighbour)
            self.answers["packet"] += 1
            exchange("python", ["(a neighbour that was connected all the time) echo still here"], [answer.decode()])
            check(f"the neighbour received {answer!r}", answer == b"ok still here")

    def who_and_where(self):
        title("who is connected, over which interface: addresses, hardware address, state, round trip")
        with connect(self.hub.ports["packet"]) as neighbour, connect(self.hub.ports["line"]) as peer:
            with peer.makefile("r", newline="\r\n") as answers:
                for command, expected in (
                    ("peers", "%s:%d mac unknown" % neighbour.getsockname()[:2]),  # loopback has no hardware
                    ("interfaces", "lo up"),
                ):
                    peer.sendall(f"{command}\n".encode())
                    answer = answers.readline().rstrip()
                    self.answers["line"] += 1
                    exchange("python", [command], answer.split("; "))
                    check(f"the answer to {command} has no {expected}: {answer}", expected in answer)

    def curl(self, *arguments):
        try:
            done = subprocess.run(["curl", "-s", *arguments], capture_output=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return "curl did not end"
        return done.stdout.decode()

    def page(self):
        if not shutil.which("curl"):
            say("  (curl is not here: the web port is left out)")
            return
        base = "http://{}:{}".format(*self.hub.ports["web"])
        title(f"the hub has a page, {base}/ ; curl asks for what stands behind it")
        for what, arguments, expected in (
            ("the page", [f"{base}/"], r"<title>Portunus hub</title>"),
            ("once more", ["-o", "/dev/null", "-w", "%{http_code}", "-H", "If-None-Match: *", f"{base}/"], r"^304$"),
            ("a part of it", ["-r", "0-14", f"{base}/"], r"^<!doctype html>$"),
            ("a file of somebody else", ["--path-as-is", f"{base}/../main.cpp"], r"^Bad Request"),
            ("one device", ["-d", "on", f"{base}/api/devices/lamp"], r"^on$"),
            ("no such value", ["-d", "blue", f"{base}/api/devices/lamp"], r"on or off"),
            ("from another site", ["-H", "Origin: http://elsewhere.example", "-d", "off", f"{base}/api/devices/lamp"],
             r"may not"),
            ("the state", [f"{base}/api/state"], r'"name":"lamp","kind":"on_off","value":"on"'),
            ("a file", ["-F", f"file=@{pathlib.Path(__file__)};filename=../x.py", f"{base}/api/upload"],
             r'"file":"x.py","bytes":%d,' % pathlib.Path(__file__).stat().st_size),
            ("it expects to be let", ["-H", "Expect: 100-continue", "-F", "a=b", f"{base}/api/upload"], r'"bytes":1,'),
            ("for Prometheus", [f"{base}/metrics"], r'(?m)^hub_connections_accepted_total\{port="line"\} \d+$'),
            ("by https", ["-k", "https://{}:{}/health".format(*self.hub.ports["https"])], r"^ok$"),
            ("its certificate is our own", ["-o", "/dev/null", "-w", "%{http_code} %{ssl_verify_result}",
                                            "https://{}:{}/health".format(*self.hub.ports["https"])], r"^000 [1-9]"),
        ):
            answer = self.curl(*arguments)
            found = re.search(expected, answer)
            line = next((line for line in answer.splitlines() if re.search(expected, line)), answer)
            say(f"  {what:>26}: {shown(line, 90)}")
            check(f"{what}: {answer[:300]}", found)
        host, port = self.hub.ports["web"]
        with socket.create_connection((host, port), PATIENCE) as page, page.makefile("r") as events:
            page.sendall(b"GET /api/events HTTP/1.1\r\nHost: hub\r\n\r\n")
            with connect(self.hub.ports["line"]) as peer, peer.makefile("r", newline="\r\n") as answers:
                while "event: state" not in events.readline():
                    pass
                peer.sendall(b"set dimmer 70\n")
                self.answers["line"] += 1
                exchange("python", ["set dimmer 70"], [answers.readline().rstrip()])
                line = ""
                while "set dimmer" not in line:
                    line = events.readline()
                exchange("page", [], [line.rstrip()])
        with socket.create_connection((host, port), PATIENCE) as smuggler:
            smuggler.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n")
            refusal = smuggler.makefile("rb").read().decode()
            exchange("python", ["a length and chunked in one head"], [refusal.splitlines()[0]])
            check(f"a smuggled request: {refusal}", refusal.startswith("HTTP/1.1 400 "))

    def messages(self):
        host, port = self.hub.ports["message"]
        title(f"a Python program asks for data points over the message channel, {host}:{port}")

        def ask(secret, *what):
            command = [sys.executable, str(MESSAGE_CLIENT), host, str(port)]
            if secret:
                with tempfile.NamedTemporaryFile("w", delete=False) as file:
                    file.write(secret + "\n")
                command += ["--secret-file", file.name]
            done = subprocess.run([*command, *what], capture_output=True, text=True, timeout=PATIENCE, check=False)
            if secret:
                os.unlink(file.name)
            said = (done.stdout + done.stderr).strip()
            exchange("python", [" ".join(what)], [said])
            return said

        said = ask(self.secret, "write", "1", '{"name": "heating", "value": "off"}')
        check(f"a write: {said}", said == "null")
        said = ask(self.secret, "read", "1")
        check(f"a read: {said}", {"name": "heating", "kind": "on_off", "value": "off"} in json.loads(said))
        said = ask(self.secret, "execute", "1", '"echo hello"')
        check(f"an execution: {said}", said == '"ok hello"')
        said = ask("a wrong secret", "read", "1")
        check(f"with a wrong secret: {said}", "not permitted" in said)
        said = ask(None, "read", "1")
        check(f"without authentication: {said}", "authentication required" in said)

    def counters(self):
        title("live counters: by a command, and for Prometheus by SIGUSR1")
        with connect(self.hub.ports["line"]) as peer, peer.makefile("r", newline="\r\n") as answers:
            for name, expected in (
                ("line", r"refused 2, broken 1,|refused 1, broken 1,"),
                ("packet", r"refused 0, broken 2,"),
                ("refused", r"accepted 0, refused 1,"),
            ):
                peer.sendall(f"stats {name}\n".encode())
                answer = answers.readline().rstrip()
                self.answers["line"] += 1
                exchange("python", [f"stats {name}"], [answer])
                check(f"the counters of the {name} port: {answer}", re.search(expected, answer))
        since = len(self.hub.out)
        self.hub.process.send_signal(signal.SIGUSR1)
        self.hub.line_with(self.hub.out, r"^hub_sessions_open\{port=\"refused\"\}", since)
        for pattern in (
            r'^hub_connections_refused_total\{port="refused",reason="policy"\} 1$',
            r'^hub_protocol_errors_total\{port="packet"\} 2$',
            r'^hub_sessions_closed_total\{port="line",reason="protocol_error"\} 1$',
        ):
            line = self.hub.line_with(self.hub.out, pattern, since)
            say(f"  {line}")
            check(f"the counters have no line {pattern}", line is not None)

    def stop_under_load(self):
        title(f"load: numbered messages, many under way on each connection, for {LOAD_SECONDS} seconds")
        since = len(self.hub.log)
        clients = [LineLoad(f"line{i}", self.hub.ports["line"]) for i in range(4)]
        clients += [PacketLoad(f"packet{i}", self.hub.ports["packet"]) for i in range(2)]
        clients += [Visitors("visitors", self.hub.ports["line"])]
        for client in clients:
            client.start()
        # Half way a look at the counters; the connection stays, and is silent when the end comes.
        time.sleep(LOAD_SECONDS / 2)
        with connect(self.hub.ports["line"]) as watcher, watcher.makefile("r", newline="\r\n") as answers:
            watcher.sendall(b"stats\n")
            exchange("python", ["stats"], [answers.readline().rstrip()])
            self.answers["line"] += 1
            time.sleep(LOAD_SECONDS / 2)
            title("SIGTERM, while all of them are sending")
            for client in clients:
                check(f"{client.name} had ended already: {client.end}", client.is_alive())
            asked = time.monotonic()
            self.hub.process.terminate()
            watcher_saw = end_seen(watcher)
        status = self.hub.ended()
        took = time.monotonic() - asked
        for client in clients:
            client.join(PATIENCE)
            check(f"{client.name} did not see the end", not client.is_alive())
        for line in self.hub.out[-7:]:
            say(f"  {line}")
        say(f"  the hub ended with status {status} after {took:.2f} s")
        check(f"the hub ended with status {status}", status == 0)
        check(f"a silent client saw: {watcher_saw}", watcher_saw == "end of stream")

        title("was anything lost?")
        say(f"  {'client':>10} {'sent':>9} {'answered':>9}  how it ended")
        for client in clients:
            say(f"  {client.name:>10} {client.sent:>9} {client.received:>9}  {client.end}")
            check(f"{client.name}: {client.trouble}", client.trouble is None)
            check(f"{client.name}: the end was {client.end}", client.end == client.good_end)
            check(f"{client.name} received no answer at all", client.received > 0)
            self.answers[client.port] += client.received
        for port, received in self.answers.items():
            line = self.hub.line_with(self.hub.out, rf"^{port} port: \d+ connections") or ""
            counted = re.search(r"(\d+) messages handled, (\d+) answered", line)
            handled, answered = (int(counted[1]), int(counted[2])) if counted else (None, None)
            say(f"  {port} port: {handled} handled, {answered} answered by the hub, {received} received by its clients")
            check(f"{port} port: these numbers differ", handled == answered == received)
        line = self.hub.line_with(self.hub.out, r"^udp port: ") or ""
        counted = [int(n) for n in re.findall(r"\d+", line)]
        check(f"udp port: {line}", counted[1:3] == [self.udp_handled] * 2)
        if shutil.which("socat"):
            check(f"udp port: {line}", counted[3:6] == [1, 1, 0])
        say("  (what was sent and not answered had not been read when the hub stopped reading)")
        check("a connection was reset", not any(re.search(r"ended: (reset|aborted)", line) for line in self.hub.log[since:]))


class Load(threading.Thread):
    """Sends numbered messages, as many under way as `window`, and checks each answer, until the end of the stream.

    What it sends ends in the middle of a message: the rest comes with the next ones.
    """

    window = 400
    block = 50
    held_back = 5  # bytes
    good_end = "end of stream"

    def __init__(self, name, where):
        super().__init__(name=name, daemon=True)
        self.where = where
        self.sent = self.received = 0
        self.end = "none"
        self.trouble = None

    def run(self):
        try:
            self.talk()
        except ConnectionResetError:
            self.end = "reset"
        except BrokenPipeError:
            self.end = "broken pipe"
        except OSError as e:
            self.end = str(e)

    def talk(self):
        rest = ready = b""
        with connect(self.where) as peer:
            while True:
                if self.sent - self.received <= self.window - self.block:
                    ready += b"".join(self.request(n) for n in range(self.sent, self.sent + self.block))
                    peer.sendall(ready[:-self.held_back])
                    ready = ready[-self.held_back:]
                    self.sent += self.block
                data = peer.recv(65536)
                if not data:
                    break
                rest = self.check(rest + data)
        self.end = "end of stream"
        if rest:
            self.trouble = f"the stream ended inside an answer: {rest[:80]!r}"

    def text(self, number):
        return f"{self.name}.{number}".encode()

    def answer(self, text):
        expected = b"ok " + self.text(self.received)
        if text != expected and self.trouble is None:
            self.trouble = f"answer {self.received} was {text[:80]!r}"
        self.received += 1


class LineLoad(Load):
    port = "line"

    def request(self, number):
        return b"echo " + self.text(number) + b"\n"

    def check(self, data):
        *lines, rest = data.split(b"\r\n")
        for line in lines:
            self.answer(line)
        return rest


class PacketLoad(Load):
    port = "packet"

    def request(self, number):
        return packet(b"echo " + self.text(number))

    def check(self, data):
        at = 0
        while len(data) - at >= 4:
            end = at + 4 + struct.unpack_from(">I", data, at)[0]
            if len(data) < end:
                break
            self.answer(data[at + 4:end])
            at = end
        return data[at:]


class Visitors(Load):
    """One after the other: come, ask once, go. The last one finds the door closed."""

    port = "line"
    good_end = "the door was closed"

    def talk(self):
        while True:
            try:
                peer = connect(self.where)
            except ConnectionRefusedError:
                self.end = "the door was closed"
                return
            with peer, peer.makefile("rb") as answers:
                peer.sendall(b"echo " + self.text(self.received) + b"\n")
                self.sent += 1
                answer = answers.readline()
                if answer:  # one that came too late hears nothing but the end of the stream
                    self.answer(answer.rstrip(b"\r\n"))


# --- the frame --------------------------------------------------------------------------------------------------------


def built_hub():
    """The hub that was built last."""
    project = pathlib.Path(__file__).resolve().parents[2]
    built = sorted(project.glob("build/*/examples/portunus_hub"), key=lambda path: path.stat().st_mtime)
    return built[-1] if built else None


def stay_up(program):
    title("the hub is up again, for you")
    hub = Hub(program, *FREE_PORTS, "--contexts", "2", "--log", "info")
    seen = {"out": 0, "log": 0}

    def show_news():
        for name, lines in (("out", hub.out), ("log", hub.log)):
            for line in lines[seen[name]:]:
                say(f"  {line}")
            seen[name] = len(lines)

    try:
        hub.start()
        host, port = hub.ports["line"]
        say()
        say(f"  nc {host} {port:<6} and type: help")
        say(f"  nc {host} {hub.ports['refused'][1]:<6} is refused")
        say(f"  socat - UDP:{host}:{hub.ports['udp'][1]}  does the same by datagrams")
        say("  http://{}:{}/  in a browser shows all of it".format(*hub.ports["web"]))
        say(f"  kill -USR1 {hub.process.pid:<9} prints its counters here")
        say("\nCtrl-C ends it.\n")
        seen["out"] = len(hub.out)
        while hub.process.poll() is None:
            with hub.news:
                hub.news.wait(0.5)
            show_news()
        check(f"the hub ended by itself, with status {hub.process.returncode}", False)
    except KeyboardInterrupt:
        say()
        hub.process.terminate()
        status = hub.ended()
        show_news()
        check(f"the hub ended with status {status}", status == 0)
    finally:
        hub.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hub", type=pathlib.Path, help="the hub's program; otherwise the one that was built last")
    program = parser.parse_args().hub or built_hub()
    if program is None or not program.is_file():
        print(f"demo: there is no hub {program or 'in build/'}; build it with ./dev demo", file=sys.stderr)
        return 2
    if not (shutil.which("nc") or shutil.which("socat")):
        print("demo: needs nc or socat for a client that is not ours", file=sys.stderr)
        return 2
    # Ended from outside we still end our child.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))

    demo = None
    try:
        demo = Demo(program.resolve())
        demo.run()
    except KeyboardInterrupt:
        say("\ndemo: interrupted")
        return 130
    except (OSError, EOFError) as e:
        check(f"{type(e).__name__}: {e}", False)
    finally:
        if demo:
            demo.hub.stop()
    if not problems and sys.stdout.isatty():
        stay_up(program.resolve())
    say()
    if problems:
        for line in demo.hub.log[-20:] if demo else ():
            say(f"  log: {line}")
        for problem in problems:
            say(f"demo: wrong: {problem}")
        return 1
    say("demo: ok")
    return 0


if __name__ == "__main__":
    sys.exit(main())
