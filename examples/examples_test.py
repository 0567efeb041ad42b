#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Uses each example as its first comment says, with Python's sockets as the other side.

    examples_test.py <directory of the programs>
"""

import contextlib
import http.client
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
import unittest

PROGRAMS = pathlib.Path()
PATIENCE = 10  # seconds


class Server:
    """An example as our child; `ports` are those that it prints."""

    def __init__(self, name, *arguments, ports=1):
        self.process = subprocess.Popen(
            [PROGRAMS / f"example_{name}", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.seen = ""
        self.ports = []
        while len(self.ports) < ports:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"{name} ended: {self.process.communicate()[1]}")
            self.ports += [int(port) for port in re.findall(r"(?:port |:)(\d+)(?=[:,\n])", line)]

    def wait_for(self, *texts):
        """Reads what it prints until it has said all of that; what it said is kept in `seen`."""
        while not all(text in self.seen for text in texts):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"it ended after:\n{self.seen}\n{self.process.communicate()[1]}")
            self.seen += line

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def ask_to_stop(self):
        self.process.send_signal(signal.SIGTERM)

    def end(self):
        """(status, what it printed, what it logged)"""
        out, log = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, log


def connect(port, source=None, source_port=0):
    return socket.create_connection(("127.0.0.1", port), PATIENCE, (source, source_port) if source else None)


def ask(port, text, source=None):
    """Sends everything, hangs up, and gives all that came back."""
    with connect(port, source) as peer:
        peer.sendall(text.encode())
        peer.shutdown(socket.SHUT_WR)
        return read_all(peer)


def read_all(peer):
    data = b""
    while True:
        more = peer.recv(65536)
        if not more:
            return data.decode()
        data += more


def udp_peer(host="127.0.0.1", group_by=None):
    """A socket for datagrams at a free port; multicasts of it leave by the interface with that address."""
    peer = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    peer.settimeout(PATIENCE)
    peer.bind((host, 0))
    if group_by:
        peer.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(group_by))
    return peer


def run(name, *arguments):
    done = subprocess.run(
        [PROGRAMS / f"example_{name}", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


class WebSocket:
    """A client by hand (RFC 6455): short messages, which is what the examples say."""

    def __init__(self, port, path, origin=None):
        self.peer = connect(port)
        self.peer.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"{f'Origin: {origin}' + chr(13) + chr(10) if origin else ''}\r\n".encode()
        )
        self.stream = self.peer.makefile("rb")
        self.head = ""
        while not self.head.endswith("\r\n\r\n"):
            self.head += self.stream.readline().decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stream.close()
        self.peer.close()

    def send(self, payload, opcode=1):
        mask = b"\x01\x02\x03\x04"
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self.peer.sendall(bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + masked)

    def receive(self):
        first, size = self.stream.read(2)
        return first & 15, self.stream.read(size)


class Examples(unittest.TestCase):
    def assert_refused(self, port, source, source_port=0):
        with self.assertRaises(ConnectionResetError):
            with connect(port, source, source_port) as peer:
                peer.recv(1)

    def test_echo_lines_sends_every_line_back_and_ends_in_good_order(self):
        with Server("echo_lines", "0") as server:
            self.assertEqual(ask(server.ports[0], "one\ntwo\r\nthree\n"), "one\r\ntwo\r\nthree\r\n")
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_a_wrong_list_of_ports_is_quoted(self):
        status, _, log = run("echo_lines", "7001,7002x")
        self.assertEqual(status, 2)
        self.assertIn('"7002x" is not a port; allowed:', log)

    def test_length_prefixed_server_adds_numbers_and_refuses_what_is_too_long(self):
        with Server("length_prefixed_server", "0", "64") as server:
            with connect(server.ports[0]) as peer:
                body = struct.pack(">3I", 1, 2, 39)
                peer.sendall(struct.pack(">I", len(body)) + body)
                self.assertEqual(struct.unpack(">IQ", peer.recv(12)), (8, 42))
                peer.sendall(struct.pack(">I", 65))
                self.assertEqual(peer.recv(1), b"")
            server.ask_to_stop()
            status, _, log = server.end()
            self.assertEqual(status, 0)
            self.assertIn("frame too large: length field 65 announces more than max_frame 64", log)

    def test_policy_and_refusal_lets_in_whom_its_comment_says(self):
        with Server("policy_and_refusal", "0", "0", ports=2) as server:
            guarded, small = server.ports
            self.assertIn("you are 127.0.0.1:", ask(guarded, "who\n", "127.0.0.1"))
            self.assertIn("on lo, number 2; the switch is on", ask(guarded, "who\n", "127.0.0.3"))
            self.assert_refused(guarded, "127.0.0.2")
            self.assert_refused(guarded, "127.0.0.9")
            self.assert_refused(guarded, "127.0.0.80")
            ask(guarded, "invite 127.0.0.80\n", "127.0.0.1")
            self.assertIn("you are 127.0.0.80:", ask(guarded, "who\n", "127.0.0.80"))
            with connect(guarded, "127.0.0.1") as inside:
                inside.sendall(b"off\n")
                self.assertIn(b"the switch is off", inside.recv(200))
                self.assert_refused(guarded, "127.0.0.1")
                inside.sendall(b"on\n")
                self.assertIn(b"the switch is on", inside.recv(200))
            self.assertIn("the switch is on", ask(guarded, "who\n", "127.0.0.1"))
            with connect(small) as first, connect(small) as second:
                for peer in first, second:
                    peer.sendall(b"who\n")
                    self.assertIn(b"you are", peer.recv(200))
                with connect(small) as third:
                    self.assertEqual(third.recv(1), b"")
            server.ask_to_stop()
            status, _, log = server.end()
            self.assertEqual(status, 0)
            self.assertIn("reason=refused by rule 1 (deny 127.0.0.2)", log)
            self.assertIn("reason=refused: the master switch is off", log)
            self.assertIn("reason=refused: 2 of 2 connections are open", log)

    def test_client_prints_the_answers(self):
        with Server("echo_lines", "0") as server:
            answered = run("client", "localhost", str(server.ports[0]), "one", "two words", "three")
            self.assertEqual(answered, (0, "one\ntwo words\nthree\n", ""))

    def test_client_tells_failures_apart(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            caller = threading.Thread(target=lambda: taken.accept()[0].close(), daemon=True)
            caller.start()
            status, _, log = run("client", "127.0.0.1", port, "hello")
            caller.join(PATIENCE)
            self.assertEqual((status, log.rsplit("(", 1)[1]), (1, "it hung up)\n"), log)
        status, _, log = run("client", "127.0.0.1", port, "hello")  # nobody listens there any more
        self.assertEqual((status, log.rsplit("(", 1)[1]), (1, "it does not want us)\n"), log)
        status, _, log = run("client", "127.0.0.1", "0", "hello")
        self.assertEqual(status, 2)
        self.assertIn('"0" is not a port', log)

    def test_resolve_tells_addresses_names_and_what_is_neither(self):
        status, out, _ = run("resolve", "localhost", "127.0.0.1", "no-such-host.invalid", "not a name")
        self.assertEqual(status, 0)
        self.assertRegex(out, r"(?m)^localhost:.* 127\.0\.0\.1")
        self.assertRegex(out, r"(?m)^127\.0\.0\.1 is called ")
        self.assertIn("not a name: not the name of a host: the name contains a byte 32", out)
        self.assertRegex(out, r"(?m)^no-such-host\.invalid: (host not found|no name server answered)")

    def test_keep_connected_comes_back_and_says_what_it_does(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            with Server("keep_connected", "127.0.0.1", str(listener.getsockname()[1]), ports=0) as client:
                for n in range(3):
                    peer = listener.accept()[0]
                    with peer:
                        peer.sendall(b"line %d\n" % n)
                client.wait_for("heard: line 2", "lost: end of stream")
                client.ask_to_stop()
                status, out, _ = client.end()
        self.assertEqual(status, 0)
        self.assertIn("waiting", client.seen + out)
        self.assertIn("connected to 127.0.0.1:", client.seen + out)

    def test_reconnecting_client_greets_each_connection_and_sends_what_was_queued_in_order(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            with Server("reconnecting_client", "127.0.0.1", str(listener.getsockname()[1]), "5", ports=0) as client:
                numbers = []
                for _ in range(3):
                    peer = listener.accept()[0]
                    with peer, peer.makefile("r", newline="\n") as lines:
                        peer.settimeout(PATIENCE)
                        self.assertEqual(lines.readline().rstrip(), "hello, this is sensor 7")
                        for _ in range(5):
                            numbers.append(int(lines.readline().split()[1]))
                        peer.sendall(b"thanks\n")
                client.wait_for("thanks")
                client.ask_to_stop()
                self.assertEqual(client.end()[0], 0)
        self.assertEqual(numbers, sorted(set(numbers)))  # in order, and none twice

    def test_one_session_each_replaces_by_address_by_name_and_keeps_slots(self):
        with Server("one_session_each", "0", "0", "0", ports=3) as server:
            address, name, slot = server.ports
            with connect(address) as old, connect(address, "127.0.0.9") as other:
                old.sendall(b"a\n")
                self.assertEqual(old.recv(100), b"127.0.0.1: a\r\n")
                with connect(address) as new:
                    new.sendall(b"b\n")
                    self.assertEqual(new.recv(100), b"127.0.0.1: b\r\n")
                    self.assertRaises(ConnectionResetError, old.recv, 1)
                    other.sendall(b"c\n")
                    self.assertEqual(other.recv(100), b"127.0.0.9: c\r\n")
            with connect(name, "127.0.0.2") as old, connect(name, "127.0.0.3") as new:
                old.sendall(b"pump-7\na\n")
                self.assertEqual(old.recv(100), b"pump-7: a\r\n")
                new.sendall(b"pump-7\nb\n")
                self.assertEqual(new.recv(100), b"pump-7: b\r\n")
                self.assertRaises(ConnectionResetError, old.recv, 1)
            first = connect(slot)
            first.sendall(b"a\n")
            self.assertEqual(first.recv(100), b"127.0.0.1: a\r\n")
            with connect(slot) as second:
                second.sendall(b"b\n")
                second.settimeout(0.1)
                self.assertRaises(TimeoutError, second.recv, 1)
                first.close()
                second.settimeout(PATIENCE)
                self.assertEqual(second.recv(100), b"127.0.0.1: b\r\n")
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_connection_status_answers_in_json(self):
        with Server("connection_status", "0") as server:
            status = json.loads(ask(server.ports[0], "status\n"))
            self.assertIn(status["state"], ("established", "close_wait"))
            self.assertIn("active_opens", json.loads(ask(server.ports[0], "machine\n")))
            answer = ask(server.ports[0], "burst 100000\n")
            self.assertEqual(answer.count("."), 100000 + answer.split("arrived")[1].count("."))
            self.assertIn('"unacknowledged":0', answer)
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_urgent_data_tells_the_urgent_byte_from_the_others(self):
        with Server("urgent_data", "0") as server:
            with connect(server.ports[0]) as peer:
                peer.sendall(b"print this")
                peer.send(b"!", socket.MSG_OOB)
                peer.sendall(b"then this")
                peer.shutdown(socket.SHUT_WR)
                self.assertTrue(read_all(peer).endswith("!\nnormal: then this\n"))
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_interfaces_lists_them_and_the_way_to_an_address(self):
        with Server("interfaces", "127.0.0.1", ports=0) as program:
            program.wait_for("waiting for changes")
            self.assertRegex(program.seen, r"(?m)^lo[, ]")
            self.assertIn("to 127.0.0.1: by lo, as 127.0.0.1, hardware address unknown", program.seen)
            program.ask_to_stop()
            self.assertEqual(program.end()[0], 0)
        self.assertEqual(run("interfaces", "nonsense")[0], 2)

    def test_socket_activation_serves_on_the_socket_that_it_was_given_and_tells_the_manager(self):
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with manager, socket.create_server(("127.0.0.1", 0)) as given:
            manager.bind("")  # the system chooses an abstract name
            manager.settimeout(PATIENCE)
            told = "@" + manager.getsockname()[1:].decode()
            port = given.getsockname()[1]
            with connect(port) as early:  # before the program starts
                early.sendall(b"hello\n")
                script = f'exec 3<&{given.fileno()}; LISTEN_PID=$$ LISTEN_FDS=1 LISTEN_FDNAMES=echo exec "$0"'
                program = subprocess.Popen(
                    ["sh", "-c", script, PROGRAMS / "example_socket_activation"],
                    pass_fds=[given.fileno()],
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "NOTIFY_SOCKET": told, "WATCHDOG_USEC": "60000000"},
                )
                try:
                    self.assertEqual(early.recv(100).strip(), b"hello")
                    first = {manager.recv(4096), manager.recv(4096)}
                    self.assertEqual(first, {b"READY=1\nSTATUS=echoes lines", b"WATCHDOG=1"})
                finally:
                    early.close()
                    program.terminate()
                    out, _ = program.communicate(timeout=PATIENCE)
                self.assertEqual(manager.recv(4096), b"STOPPING=1")
                self.assertIn(f"given echo: a listening stream socket, 127.0.0.1:{port}", out)
                self.assertEqual(program.returncode, 0)

    def test_inband_commands_answers_commands_between_the_data(self):
        with Server("inband_commands", "0") as server:
            for sent, expected in (
                (b"one \xffMupper\rtwo \xff\xff \xffMplain\rthree\n", b"one \xffMok\rTWO \xff\xff \xffMok\rthree\n"),
                (b"\xffMloud\r", b"\xffMunknown\r"),
                (b"\xffM" + bytes(2000), b""),
            ):
                with connect(server.ports[0]) as peer:
                    peer.sendall(sent)
                    if expected:  # whoever breaks the rules need not hang up
                        peer.shutdown(socket.SHUT_WR)
                    received = b""
                    while more := peer.recv(4096):
                        received += more
                self.assertEqual(received, expected)
            server.ask_to_stop()
            status, _, log = server.end()
            self.assertEqual(status, 0)
            self.assertIn("exceeds max_command 1024", log)

    def test_accept_one_opens_a_door_for_one_peer(self):
        with Server("accept_one", "0", "1") as server:
            with connect(server.ports[0]) as control, control.makefile("r", newline="\n") as answers:
                control.sendall(b"get\n")
                door = int(answers.readline().split()[-1])
                self.assert_refused(door, "127.0.0.2")
                with connect(door) as data:
                    self.assertNotEqual(read_all(data), "")
                self.assertEqual(answers.readline().strip(), "sent")
                control.sendall(b"get\n")
                answers.readline()
                self.assertIn("nobody who may come in", answers.readline())  # after a second
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_forwarder_passes_bytes_and_ends_on_and_resets_where_there_is_no_target(self):
        with Server("echo_lines", "0") as target:
            with Server("forwarder", "127.0.0.1", str(target.ports[0]), "0") as server:
                text = "".join(f"line {n}\r\n" for n in range(20_000))
                self.assertEqual(ask(server.ports[0], text), text)
                server.wait_for(f"{len(text)} bytes to the target, {len(text)} from it")
                server.ask_to_stop()
                self.assertEqual(server.end()[0], 0)
        with Server("forwarder", "127.0.0.1", str(target.ports[0]), "0") as server:  # nobody there any more
            self.assert_refused(server.ports[0], None)
            server.ask_to_stop()
            self.assertIn("Connection refused", server.end()[2])

    def test_graceful_shutdown_answers_what_has_arrived(self):
        with Server("graceful_shutdown", "0") as server:
            with connect(server.ports[0]) as peer:
                peer.sendall(b"a\nb\n")
                self.assertEqual(peer.recv(100), b"done: a\r\n")
                server.ask_to_stop()
                self.assertEqual(read_all(peer), "done: b\r\n")
            status, out, log = server.end()
            self.assertEqual((status, out), (0, "lines: 2, answers: 2, nothing was cut off\n"), log)

    def test_graceful_shutdown_says_so_when_the_grace_was_too_short(self):
        with Server("graceful_shutdown", "0", "0") as server:
            with connect(server.ports[0]) as peer:
                peer.sendall(b"a\nb\n")
                peer.recv(100)
                server.ask_to_stop()
                self.assertEqual(read_all(peer), "")
            status, out, log = server.end()
            self.assertEqual((status, out), (1, "lines: 2, answers: 1, something was cut off\n"))
            self.assertIn("sessions were cut off by the stop sessions=1", log)

    def test_multi_core_keeps_a_session_on_its_thread_and_counts_a_server_for_itself(self):
        with Server("multi_core", "3", "0", "0", ports=2) as server:
            echo, counters = server.ports
            peers = [connect(echo) for _ in range(6)]
            threads = []
            for peer in peers:
                peer.sendall(b"hello\n")
                threads.append(re.fullmatch(r"thread (\d+), line 1: hello\r\n", peer.recv(100).decode())[1])
            self.assertEqual({threads.count(thread) for thread in threads}, {2})
            for peer, thread in zip(peers, threads):
                peer.sendall(b"again\n")
                self.assertEqual(peer.recv(100).decode(), f"thread {thread}, line 2: again\r\n")
            # A line is counted right after its answer has left, so the last one may be missing for a moment.
            expected = r"^6 connections, 6 of them open, 12 lines of 60 bytes; .*: [23] [23] [23]\r\n$"
            end = time.monotonic() + PATIENCE
            told = ask(counters, "tell\n")
            while not re.match(expected, told) and time.monotonic() < end:
                told = ask(counters, "tell\n")
            self.assertRegex(told, expected)
            for peer in peers:
                peer.close()
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_udp_echo_answers_from_where_it_was_asked_and_counts(self):
        # It joins on every interface that can do multicast, and wants one: UP and MULTICAST are 0x1001.
        flags = [int(file.read_text(), 16) for file in pathlib.Path("/sys/class/net").glob("*/flags")]
        group = ["239.231.7.21"] if any(each & 0x1001 == 0x1001 for each in flags) else []
        with Server("udp_echo", "0", *group) as server:
            port = server.ports[0]
            with udp_peer() as peer, udp_peer("::1") as peer6, udp_peer(group_by="127.0.0.1") as to_group:
                for host in "127.0.0.1", "127.0.0.5":
                    peer.sendto(b"hello " + host.encode(), (host, port))
                    self.assertEqual(peer.recvfrom(100), (b"hello " + host.encode(), (host, port)))
                peer.sendto(b"", ("127.0.0.1", port))
                self.assertEqual(peer.recvfrom(100)[0], b"")
                peer6.sendto(b"six", ("::1", port))
                self.assertEqual(peer6.recvfrom(100)[0], b"six")
                to_group.sendto(b"everybody", (group[0] if group else "127.0.0.1", port))
                self.assertEqual(to_group.recvfrom(100)[0], b"everybody")
            server.ask_to_stop()
            status, out, _ = server.end()
            self.assertEqual(status, 0)
            self.assertIn("5 received, 5 sent, 0 refused, 0 lost", out)

    def test_discovery_finds_who_answers_and_says_where(self):
        with Server("discovery", "answer", "kitchen", "0") as server:
            port = str(server.ports[0])
            status, out, _ = run("discovery", "ask", port, "1", "lo")
            self.assertEqual(status, 0)
            self.assertRegex(out, rf"^kitchen is at [\d.]+:{port} on lo\n$")
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)
        # A device that is no example: it answers twice, and with something else before.
        with udp_peer("0.0.0.0") as device:

            def answer():
                text, sender = device.recvfrom(100)
                for reply in b"nonsense", b"here bath", b"here cellar":
                    device.sendto(reply if text == b"who is there?" else b"here a fault", sender)

            answering = threading.Thread(target=answer, daemon=True)
            answering.start()
            status, out, _ = run("discovery", "ask", str(device.getsockname()[1]), "9", "lo")  # two seconds
            answering.join(PATIENCE)
        self.assertEqual((status, re.findall(r"(?m)^(\w+) is at", out)), (0, ["bath", "cellar"]))
        self.assertEqual(run("discovery")[0], 2)

    def test_multicast_says_and_listens_on_the_interface_that_is_named(self):
        group = "239.231.7.22"
        with Server("multicast", "listen", group, "lo", "0", ports=0) as first:
            first.wait_for("listening to")
            port = re.search(r"port (\d+)", first.seen)[1]
            with Server("multicast", "listen", group, "lo", port, ports=0) as second:
                second.wait_for("listening to")
                self.assertEqual(run("multicast", "say", group, "lo", port, "hello", "everybody")[0], 0)
                first.wait_for("says: hello everybody")
                second.wait_for("says: hello everybody")
                with udp_peer(group_by="127.0.0.1") as stranger:
                    stranger.sendto(b"from Python", (group, int(port)))
                    first.wait_for(f"127.0.0.1:{stranger.getsockname()[1]} says: from Python")
                if shutil.which("socat"):
                    where = f"UDP-DATAGRAM:{group}:{port},ip-multicast-if=127.0.0.1"
                    subprocess.run(["socat", "-u", "-", where], input=b"from socat", timeout=PATIENCE, check=True)
                    second.wait_for("says: from socat")
                second.ask_to_stop()
                self.assertEqual(second.end()[0], 0)
            first.ask_to_stop()
            self.assertEqual(first.end()[0], 0)
        status, _, log = run("multicast", "listen", group, "no-such-if", "0")
        self.assertEqual(status, 2)
        self.assertIn("no-such-if", log)

    def test_find_hubs_finds_by_name_what_is_offered(self):
        with Server("find_hubs", "Study of the examples", "7107", "lo", ports=0) as hub:
            hub.wait_for('offering "Study of the examples" on ')
            status, out, _ = run("find_hubs", "-", "lo")
            self.assertEqual(status, 0)
            self.assertRegex(out, r'(?m)^"Study of the examples" is on \S+\.local at port 7107 .*made=here$')
            hub.ask_to_stop()
            self.assertEqual(hub.end()[0], 0)
        self.assertNotIn("Study of the examples", run("find_hubs", "-", "lo")[1])

    def test_tls_echo_answers_whom_its_certificate_convinces(self):
        if not (PROGRAMS / "example_tls_echo").exists():
            self.skipTest("built without OpenSSL")
        with tempfile.TemporaryDirectory() as scratch:
            certificate = f"{scratch}/mine.pem"
            with Server("tls_echo", "serve", "0", certificate) as server:
                port = str(server.ports[0])
                status, out, _ = run("tls_echo", "ask", "localhost", port, certificate, "hello", "world")
                self.assertEqual((status, out.splitlines()[-2:]), (0, ["hello", "world"]))
                # Somebody who does not know the certificate gets nowhere, and says so.
                status, out, log = run("tls_echo", "ask", "127.0.0.2", port, certificate, "hello")
                self.assertNotEqual(status, 0, out)
                self.assertIn("certificate", out + log)
                server.ask_to_stop()
                self.assertEqual(server.end()[0], 0)

    def test_web_server_shows_sets_and_tells_what_has_changed(self):
        with tempfile.TemporaryDirectory() as root:
            pathlib.Path(root, "a.txt").write_text("a file\n")
            with Server("web_server", "0", root) as server:
                port = server.ports[0]

                def fetch(method, path, body=None):
                    web = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                    with contextlib.closing(web):
                        web.request(method, path, body)
                        answer = web.getresponse()
                        return answer.status, answer.read().decode()

                self.assertEqual(fetch("GET", "/"), (200, "<h1>A house with lamps</h1>\n"))
                self.assertEqual(fetch("GET", "/lamps/hall"), (200, '{"on":true,"percent":40}'))
                self.assertEqual(fetch("GET", "/lamps/attic")[0], 404)
                self.assertEqual(fetch("DELETE", "/lamps/hall")[0], 405)
                self.assertEqual(fetch("GET", "/files/a.txt"), (200, "a file\n"))
                self.assertEqual(fetch("GET", "/files/../a.txt")[0], 400)
                with connect(port) as reader, reader.makefile("r") as news:
                    reader.sendall(b"GET /news HTTP/1.1\r\nHost: x\r\n\r\n")
                    while news.readline().strip():
                        pass
                    self.assertEqual(fetch("PUT", "/lamps/kitchen", '{"on": true}'), (200, '{"on":true}'))
                    status, why = fetch("PUT", "/lamps/kitchen", '{"on": 3}')
                    self.assertEqual(status, 422)
                    self.assertIn("on: expected", why)
                    line = ""
                    while not line.startswith("data:"):
                        line = news.readline()
                    self.assertEqual(line, 'data: {"on":true}\n')
                    server.ask_to_stop()
                self.assertEqual(server.end()[0], 0)

    def test_http_get_prints_what_it_gets_and_why_it_does_not(self):
        with tempfile.TemporaryDirectory() as root:
            pathlib.Path(root, "a.txt").write_text("a file\n")
            with Server("web_server", "0", root) as server:
                base = f"http://127.0.0.1:{server.ports[0]}"
                status, out, _ = run("http_get", f"{base}/files/a.txt", f"{base}/lamps/hall")
                self.assertEqual((status, out), (0, 'a file\n{"on":true,"percent":40}'))
                status, out, log = run("http_get", "http://127.0.0.1:1/")
                self.assertEqual((status, out), (1, ""))
                self.assertIn("127.0.0.1:1", log)
                server.ask_to_stop()
                self.assertEqual(server.end()[0], 0)

    def test_chat_tells_everybody_and_keeps_pages_of_others_out(self):
        with Server("chat", "0") as server:
            port = server.ports[0]
            self.assertIn("new WebSocket", ask(port, "GET / HTTP/1.0\r\n\r\n"))
            with WebSocket(port, "/live", "http://elsewhere.example") as stranger:
                self.assertIn(" 403 ", stranger.head.splitlines()[0])
            with WebSocket(port, "/live", f"http://localhost:{port}") as one:
                self.assertIn("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", one.head)
                self.assertEqual(one.receive(), (1, b"guest 1 has come in"))
                with WebSocket(port, "/live") as two:
                    self.assertEqual(one.receive(), (1, b"guest 2 has come in"))
                    self.assertEqual(two.receive(), (1, b"guest 2 has come in"))
                    two.send("grüß dich".encode())
                    for guest in (one, two):
                        self.assertEqual(guest.receive(), (1, "guest 2: grüß dich".encode()))
                    two.send(b"\x03\xe8", opcode=8)
                    self.assertEqual(two.receive(), (8, b"\x03\xe8"))
                self.assertEqual(one.receive(), (1, b"guest 2 has left"))
                server.ask_to_stop()
                self.assertEqual(one.receive(), (8, b"\x03\xe9"))
                one.send(b"\x03\xe9", opcode=8)
            self.assertEqual(server.end()[0], 0)

    def test_thermostat_obeys_who_knows_its_secret_within_its_range(self):
        if not (PROGRAMS / "example_thermostat_server").exists():
            self.skipTest("built without OpenSSL")
        with Server("thermostat_server", "0", "open sesame") as server:
            port = str(server.ports[0])
            status, out, log = run("thermostat_client", "localhost", port, "open sesame", "21.5")
            self.assertEqual((status, out), (0, "kitchen: 19.5, wanted 21.5\n"), log)
            status, _, log = run("thermostat_client", "localhost", port, "open sesame", "95")
            self.assertEqual(status, 1)
            self.assertIn("operation not permitted", log)
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_thermostat_is_asked_by_a_client_in_python(self):
        if not (PROGRAMS / "example_thermostat_server").exists():
            self.skipTest("built without OpenSSL")
        with tempfile.TemporaryDirectory() as scratch, Server("thermostat_server", "0", "open sesame") as server:
            right, wrong = pathlib.Path(scratch, "right"), pathlib.Path(scratch, "wrong")
            right.write_text("open sesame\n")
            wrong.write_text("open barley\n")

            def asked(*arguments, secret=right):
                client = [sys.executable, pathlib.Path(__file__).with_name("message_client.py"), "127.0.0.1",
                          str(server.ports[0]), *(["--secret-file", secret] if secret else []), *arguments]
                done = subprocess.run(client, capture_output=True, text=True, timeout=PATIENCE, check=False)
                return done.returncode, json.loads(done.stdout) if done.returncode == 0 else done.stderr

            self.assertEqual(asked("read", "7"), (0, {"room": "kitchen", "celsius": 19.5, "wanted": 20}))
            self.assertEqual(asked("--name", "K\u00fcche", "write", "7", "22.5"), (0, None))
            self.assertEqual(asked("read", "7")[1]["wanted"], 22.5)
            for why, arguments in (("its handler failed", ("write", "7", '"warm"')),
                                   ("not permitted", ("write", "7", "31")),
                                   ("nobody handles it", ("read", "8"))):
                status, said = asked(*arguments)
                self.assertEqual(status, 1)
                self.assertIn(why, said)
            self.assertIn("authentication required", asked("read", "7", secret=None)[1])
            self.assertIn("not permitted", asked("read", "7", secret=wrong)[1])
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)

    def test_thermostat_says_byte_by_byte_what_the_page_of_the_protocol_shows(self):
        if not (PROGRAMS / "example_thermostat_server").exists():
            self.skipTest("built without OpenSSL")
        from message_client import MessageClient
        from message_client_test import bytes_of, said_in
        with Server("thermostat_server", "0", "open sesame") as server:
            client = MessageClient("127.0.0.1", server.ports[0], limit=PATIENCE)

            def expect(conversation):
                for who, raw in conversation:
                    if who == "client":
                        client.send(raw)
                    else:
                        self.assertEqual(b"".join(client.socket.recv(1) for _ in range(len(raw))), raw)

            client.socket = socket.create_connection((client.host, client.port), PATIENCE)
            expect(said_in("channel-name"))
            expect(said_in("auth-required"))
            expect([("client", bytes_of("damaged"))])  # nobody answers that to a stranger
            client.authenticate(b"open sesame")
            expect([("client", b"noise" + bytes_of("damaged"))] + said_in("checksum-error"))
            self.assertEqual(client.request("read", 7)["room"], "kitchen")
            client.close()

    def test_shared_port_gives_each_what_it_asked_for_and_the_slow_one_alone_loses(self):
        with Server("shared_port", "0", "239.231.7.23") as server:
            port = server.ports[0]
            with udp_peer() as meter, udp_peer(group_by="127.0.0.1") as speaker:
                meter.sendto(b"temp 21.5", ("127.0.0.1", port))
                self.assertEqual(meter.recvfrom(100), (b"noted\n", ("127.0.0.1", port)))
                speaker.sendto(b"news", ("239.231.7.23", port))
                server.wait_for("a meter at 127.0.0.1:", "news of 4 bytes")
                for n in range(20):
                    meter.sendto(f"temp {n}".encode(), ("127.0.0.1", port))
                    self.assertEqual(meter.recvfrom(100)[0], b"noted\n")  # this one misses none
                server.wait_for("are missing")
            server.ask_to_stop()
            status, out, _ = server.end()
            self.assertEqual(status, 0)
            self.assertRegex(out, r"(?m)^22 received, 44 passed on, \d+ lost by the slow$")

    def test_plugin_host_loads_a_plugin_in_c_and_loads_it_again(self):
        with Server("plugin_host", f"{PROGRAMS}/libshout.so,0", ports=0) as server:
            server.wait_for("shouting on port ")
            port = int(re.findall(r"shouting on port (\d+)", server.seen)[-1])
            self.assertEqual(ask(port, "hello\nbye\n"), "HELLO\r\nGOOD BYE\r\n")
            server.seen = ""
            server.process.send_signal(signal.SIGHUP)
            server.wait_for("reloaded", "shouting on port ")
            port = int(re.findall(r"shouting on port (\d+)", server.seen)[-1])
            self.assertEqual(ask(port, "again\n"), "AGAIN\r\n")
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)
        status, _, log = run("plugin_host", "no-such-object.so")
        self.assertEqual(status, 2)
        self.assertIn("no-such-object.so", log)



if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
