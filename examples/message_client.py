#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Asks a Portunus channel something, from Python and nothing but its standard library.

    message_client.py HOST PORT [--secret-file FILE] [--name NAME] read|write|execute DATA_ID [JSON]

prints the answer's data and ends with 0, or says the status and ends with 1. docs/wire-protocol.md is what it speaks:
pure_json on stp, and the handshake by seed and key.
"""

import argparse
import hashlib
import json
import re
import socket
import struct
import sys
import time
import zlib

SERVICES = {"authenticate": 0, "name": 8, "read": 10, "write": 20, "execute": 30}  # an answer has one more
STATUS = ["okay", "nobody handles it, it is kept", "its handler failed", "authentication required",
          "service or data unknown", "damaged on its way", "not permitted"]
OKAY, UNKNOWN = 0, 4
MOST = 256 * 1024  # bytes of a frame


def encode(service, data_id, data=None, status=OKAY):
    """A message as the bytes that go over TCP."""
    fields = {"data_id": data_id, "service_id": service, "status": status, "data": data}
    text = json.dumps(fields, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    text += struct.pack(">I", zlib.crc32(text))
    return b":<" + text.replace(b":", b":=") + b":>"


def decode(frame):
    """What stood between :< and :> as (service, data id, data, status); None when it is damaged."""
    payload = frame.replace(b":=", b":")
    text, checksum = payload[:-4], payload[-4:]
    try:
        if struct.unpack(">I", checksum)[0] != zlib.crc32(text):
            return None
        fields = json.loads(text)
        numbers = fields["service_id"], fields["data_id"], fields.get("status", OKAY)
        if not all(type(number) is int for number in numbers):
            return None
        return numbers[0], numbers[1], fields.get("data"), numbers[2]
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


class Refused(Exception):
    """An answer whose status is not okay."""


class MessageClient:
    """One connection. `limit`: seconds for each request, and for connecting."""

    def __init__(self, host, port, limit=2.0):
        self.host, self.port, self.limit = host, port, limit
        self.socket, self.unread = None, b""

    def connect(self, name=None):
        self.socket = socket.create_connection((self.host, self.port), self.limit)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.unread = b""
        return self.ask(SERVICES["name"], 0, name)

    def authenticate(self, secret):
        """Proves that we know `secret` (bytes); not that the server does: docs/wire-protocol.md says more."""
        seed = self.ask(SERVICES["authenticate"], 0)
        if not isinstance(seed, str):
            raise Refused("the server's seed is no text")
        key = hashlib.sha512(seed.encode() + secret).hexdigest()
        if self.ask(SERVICES["authenticate"], 1, key) is not True:
            raise Refused("the server did not say yes")

    def request(self, service, data_id, data=None):
        """The data of the answer. Raises Refused, TimeoutError, ConnectionError."""
        return self.ask(SERVICES.get(service, service), data_id, data)

    def ask(self, service, data_id, data=None):
        until = time.monotonic() + self.limit
        self.send(encode(service, data_id, data))
        while True:
            got_service, got_id, got, status = self.receive(until)
            if (got_service, got_id) == (service + 1, data_id):
                if status == OKAY:
                    return got
                raise Refused(STATUS[status] if 0 <= status < len(STATUS) else f"status {status}")
            if got_service in SERVICES.values():  # we serve nothing; as a sign of life that will do
                self.send(encode(got_service + 1, got_id, None, UNKNOWN))

    def send(self, data):
        self.socket.settimeout(self.limit)
        self.socket.sendall(data)

    def receive(self, until):
        """The next message that is whole. After an error the connection is of no use any more."""
        try:
            while True:
                frame = re.search(rb":<((?:[^:]|:=)*):>", self.unread)
                if frame:
                    self.unread = self.unread[frame.end():]
                    if message := decode(frame.group(1)):
                        return message
                    continue
                if len(self.unread) > 2 * MOST:
                    raise ConnectionError("the peer sends what is no message")
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError("no answer in time")
                self.socket.settimeout(left)
                data = self.socket.recv(65536)
                if not data:
                    raise ConnectionError("the peer has closed the connection")
                self.unread += data
        except (TimeoutError, OSError):
            self.close()  # answers have no numbers: a late one would be taken for the next
            raise

    def close(self):
        if self.socket:
            self.socket.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--secret-file", help="its first line is the secret")
    parser.add_argument("--name", help="what the channel is called in log lines")
    parser.add_argument("service", choices=["read", "write", "execute"])
    parser.add_argument("data_id", type=int)
    parser.add_argument("json", nargs="?", default="null", type=json.loads)
    a = parser.parse_args()
    client = MessageClient(a.host, a.port)
    try:
        client.connect(a.name)
        if a.secret_file:
            with open(a.secret_file, "rb") as file:
                client.authenticate(file.readline().rstrip(b"\r\n"))
        print(json.dumps(client.request(a.service, a.data_id, a.json), ensure_ascii=False))
    except (Refused, OSError) as why:
        sys.exit(f"message_client: {why}")
    finally:
        client.close()


if __name__ == "__main__":
    main()
