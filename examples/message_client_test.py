#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""message_client.py beside the examples of docs/wire-protocol.md, and against servers that play them.

The C++ side is held against the same page by tests/unit/channel/wire_examples_test.cpp.
"""

import contextlib
import io
import json
import pathlib
import re
import socket
import sys
import tempfile
import threading
import unittest
from unittest import mock

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import message_client
from message_client import MessageClient, Refused, decode, encode

PAGE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "wire-protocol.md"
EXAMPLES = dict(re.findall(r"^```((?:hex|messages) \S+)\n(.*?)^```$", PAGE.read_text(), re.M | re.S))
SIGN_OF_LIFE = 0xFFFFFFFF


def bytes_of(name):
    """What a block of bytes shows."""
    return b"".join(bytes.fromhex(line[:47]) for line in EXAMPLES["hex " + name].splitlines())


def escaped(payload):
    return b":<" + payload.replace(b":", b":=") + b":>"


def said_in(name):
    """[(who, bytes on TCP)] of a block of messages."""
    said = []
    for line in EXAMPLES["messages " + name].splitlines():
        found = re.fullmatch(r"(client|server) (\{.*\}) ((?:[0-9a-f]{2} ?){4})", line)
        if found:
            said.append((found[1], escaped(found[2].encode() + bytes.fromhex(found[3]))))
    return said


def fields_of(raw):
    """(service, data id, data, status) by a way of its own, which trusts the checksum."""
    fields = json.loads(raw[2:-2].replace(b":=", b":")[:-4])
    return fields["service_id"], fields["data_id"], fields["data"], fields["status"]


NAMED = [("client", encode(8, 0)), ("server", encode(9, 0))]


class Player:
    """A server for one connection that plays its part of a conversation, and wants the client's to the byte."""

    def __init__(self, said, slices=None):
        self.said, self.slices, self.wrong = said, slices, None
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.play, daemon=True)
        self.thread.start()

    def play(self):
        try:
            self.listener.settimeout(10)
            peer, _ = self.listener.accept()
            with peer:
                peer.settimeout(10)
                for who, raw in self.said:
                    if who == "leave":
                        return
                    if who == "server":
                        for at in range(0, len(raw), self.slices or len(raw)):
                            peer.sendall(raw[at:at + (self.slices or len(raw))])
                        continue
                    got = b""
                    while len(got) < len(raw):
                        part = peer.recv(len(raw) - len(got))
                        if not part:
                            break
                        got += part
                    if got != raw:
                        self.wrong = f"expected {raw}, got {got}"
                        return
                if more := peer.recv(1):  # until the client hangs up
                    self.wrong = f"more than expected: {more}"
        except OSError as why:
            self.wrong = repr(why)

    def __enter__(self):
        self.client = MessageClient("127.0.0.1", self.port, limit=5)
        return self.client

    def __exit__(self, kind, value, trace):
        self.client.close()
        if kind is None:
            self.finish()

    def finish(self):
        self.thread.join(15)
        self.listener.close()
        if self.wrong or self.thread.is_alive():
            raise AssertionError(self.wrong or "the conversation did not end")


class Bytes(unittest.TestCase):
    def test_each_message_of_the_page_is_written_as_it_stands_there(self):
        count = 0
        for block in EXAMPLES:
            kind, name = block.split()
            if kind == "messages":
                for _, raw in said_in(name):
                    service, data_id, data, status = fields_of(raw)
                    self.assertEqual(encode(service, data_id, data, status), raw, name)
                    count += 1
        self.assertGreater(count, 20)

    def test_each_message_of_the_page_is_read(self):
        for block in EXAMPLES:
            kind, name = block.split()
            if kind == "messages":
                for _, raw in said_in(name):
                    self.assertEqual(decode(raw[2:-2]), fields_of(raw), name)

    def test_the_frames_of_the_page(self):
        self.assertEqual(escaped(b":message:"), bytes_of("stp"))
        self.assertEqual(encode(10, 7), bytes_of("pure-json-on-stp"))
        self.assertEqual(escaped(bytes_of("pure-json")), bytes_of("pure-json-on-stp"))
        self.assertEqual(decode(bytes_of("pure-json-answer-on-stp")[2:-2])[:2], (11, 7))

    def test_what_is_damaged_is_no_message(self):
        good = bytes_of("pure-json-on-stp")[2:-2]
        self.assertIsNone(decode(bytes_of("damaged")[2:-2]))
        for size in range(len(good)):
            self.assertIsNone(decode(good[:size]))
        for odd in (b"[]", b"7", b"{}", b'{"service_id":"x","data_id":0}', b"[" * 100000, b"\xff"):
            payload = odd + message_client.struct.pack(">I", message_client.zlib.crc32(odd))
            self.assertIsNone(decode(payload.replace(b":", b":=")))


class Conversations(unittest.TestCase):
    def test_the_name_of_the_channel(self):
        with Player(said_in("channel-name")) as client:
            self.assertEqual(client.connect("kitchen"), "kitchen")
        with Player(said_in("channel-name-of-server")) as client:
            self.assertEqual(client.connect(), "house")

    def test_a_request_is_answered(self):
        with Player(NAMED + said_in("read")) as client:
            client.connect()
            self.assertEqual(client.request("read", 7), {"room": "kitchen", "celsius": 21.5, "ok": True})

    def test_answers_come_in_pieces_of_any_size(self):
        for slices in (1, 2, 3, 7):
            with Player(NAMED + said_in("read"), slices) as client:
                client.connect()
                self.assertTrue(client.request("read", 7)["ok"])

    def test_the_handshake_by_seed_and_key(self):
        with Player(NAMED + said_in("seed-and-key") + said_in("read")) as client:
            client.connect()
            client.authenticate(b"open sesame")
            self.assertTrue(client.request("read", 7)["ok"])

    def test_a_wrong_secret_is_refused(self):
        with Player(NAMED + said_in("seed-and-key-refused")) as client:
            client.connect()
            with self.assertRaisesRegex(Refused, "not permitted"):
                client.authenticate(b"open barley")

    def test_each_refusal_is_named(self):
        for block, why in (("auth-required", "authentication required"), ("buffering", "nobody handles it")):
            with Player(NAMED + said_in(block)) as client:
                client.connect()
                with self.assertRaisesRegex(Refused, why):
                    client.request("read", 7)
        damaged = [("client", encode(10, 7))] + said_in("checksum-error")
        with Player(NAMED + damaged) as client:
            client.connect()
            with self.assertRaisesRegex(Refused, "damaged on its way"):
                client.request("read", 7)

    def test_a_sign_of_life_is_given_while_an_answer_is_waited_for(self):
        asked, answer = said_in("read")
        wanted = said_in("keep-alive-of-server")[0]
        given = ("client", encode(11, SIGN_OF_LIFE, None, 4))
        with Player(NAMED + [asked, wanted, given, answer]) as client:
            client.connect()
            self.assertTrue(client.request("read", 7)["ok"])

    def test_what_is_no_frame_and_what_is_damaged_is_passed_over(self):
        asked, answer = said_in("read")
        noise = b"noise :: :>:<:<half:" + bytes_of("damaged") + b":<bad :escape:>" + encode(11, 8)
        with Player(NAMED + [asked, ("server", noise), answer]) as client:
            client.connect()
            self.assertTrue(client.request("read", 7)["ok"])

    def test_a_server_that_hangs_up_is_an_error(self):
        with Player(NAMED + [said_in("read")[0], ("leave", b"")]) as client:
            client.connect()
            with self.assertRaisesRegex(ConnectionError, "closed"):
                client.request("read", 7)

    def test_no_answer_is_an_error_and_ends_the_connection(self):
        with Player(NAMED + [said_in("read")[0]]) as client:
            client.connect()
            client.limit = 0.05
            with self.assertRaises(TimeoutError):
                client.request("read", 7)
            self.assertEqual(client.socket.fileno(), -1)


class CommandLine(unittest.TestCase):
    def run_it(self, said, *arguments):
        player, out = Player(said), io.StringIO()
        with mock.patch.object(sys, "argv", ["message_client.py", "127.0.0.1", str(player.port), *arguments]):
            with contextlib.redirect_stdout(out):
                try:
                    message_client.main()
                finally:
                    player.finish()
        return out.getvalue()

    def test_it_prints_the_data_of_the_answer(self):
        said = said_in("channel-name") + said_in("seed-and-key") + said_in("read")
        with tempfile.NamedTemporaryFile("w", suffix=".secret") as secret:
            secret.write("open sesame\n")
            secret.flush()
            out = self.run_it(said, "--secret-file", secret.name, "--name", "kitchen", "read", "7")
        self.assertEqual(json.loads(out), {"room": "kitchen", "celsius": 21.5, "ok": True})

    def test_it_writes_a_value(self):
        said = NAMED + [("client", encode(20, 3, {"on": True})), ("server", encode(21, 3))]
        self.assertEqual(self.run_it(said, "write", "3", '{"on": true}'), "null\n")

    def test_it_says_why_not(self):
        with self.assertRaisesRegex(SystemExit, "authentication required"):
            self.run_it(NAMED + said_in("auth-required"), "read", "7")


if __name__ == "__main__":
    unittest.main()
