#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Uses each example as its first comment says, with Python's sockets as the other side.

    examples_test.py <directory of the programs>
"""

import pathlib
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
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
        self.ports = []
        while len(self.ports) < ports:
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError(f"{name} ended: {self.process.communicate()[1]}")
            self.ports += [int(port) for port in re.findall(r"(?:port |:)(\d+)(?=[:,\n])", line)]

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


def run(name, *arguments):
    done = subprocess.run(
        [PROGRAMS / f"example_{name}", *arguments], capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    return done.returncode, done.stdout, done.stderr


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
            self.assertRegex(
                ask(counters, "tell\n"), r"^6 connections, 6 of them open, 12 lines of 60 bytes; .*: [23] [23] [23]\r\n$"
            )
            for peer in peers:
                peer.close()
            server.ask_to_stop()
            self.assertEqual(server.end()[0], 0)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    PROGRAMS = pathlib.Path(sys.argv.pop(1)).resolve()
    unittest.main(verbosity=2)
