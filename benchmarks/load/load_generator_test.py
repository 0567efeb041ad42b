#!/usr/bin/env python3
"""Does the load generator notice a server that answers wrongly? Usage: load_generator_test.py LOAD_GENERATOR"""

import json
import socket
import subprocess
import sys
import threading

AT = 5000  # the byte, counted over the connection, at which the liars begin to lie


class Liar:
    """An echo server on one thread a connection; `lie(chunk, position)` may change what is sent back."""

    def __init__(self, lie):
        self.lie = lie
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(peer,), daemon=True).start()

    def serve(self, peer):
        position = 0
        with peer:
            try:
                while chunk := peer.recv(65536):
                    answer = self.lie(chunk, position)
                    position += len(chunk)
                    if answer is None:
                        return
                    peer.sendall(answer)
            except OSError:
                pass


class DatagramLiar:
    """An echo of datagrams; `lie(datagram, number)` gives the datagrams to be sent instead."""

    def __init__(self, lie):
        self.lie = lie
        self.listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.listener.bind(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        number = 0
        while True:
            try:
                datagram, sender = self.listener.recvfrom(65536)
                for answer in self.lie(datagram, number):
                    self.listener.sendto(answer, sender)
            except OSError:
                return
            number += 1


def within(chunk, position):
    return position <= AT < position + len(chunk)


def truth(chunk, position):
    return chunk


def flipped(chunk, position):
    if not within(chunk, position):
        return chunk
    at = AT - position
    return chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1:]


def swapped_lines(chunk, position):
    lines = chunk.splitlines(keepends=True)
    if position > AT and len(lines) > 1:
        lines[0], lines[1] = lines[1], lines[0]
    return b"".join(lines)


def lost_line(chunk, position):
    return chunk[32:] if within(chunk, position) else chunk


def doubled(chunk, position):
    return chunk + chunk if within(chunk, position) else chunk


def closed(chunk, position):
    return None if within(chunk, position) else chunk


def silent(chunk, position):
    return b"" if position > AT else chunk


ANSWER = b"HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:%02d GMT\r\nContent-Length: 13\r\n\r\nHello, World!"


class HttpLiar(Liar):
    """A server of HTTP; `lie(number)` gives the answer to the request of that number."""

    def serve(self, peer):
        number, unread = 0, b""
        with peer:
            try:
                while chunk := peer.recv(65536):
                    *heads, unread = (unread + chunk).split(b"\r\n\r\n")
                    for _ in heads:
                        answer = self.lie(number)
                        if answer is None:
                            return
                        peer.sendall(answer)
                        number += 1
            except OSError:
                pass


def clock(number):
    return ANSWER % (number // 10 % 60)


def lie_at_70(instead):
    return lambda number: instead if number == 70 else clock(number)


class MessageLiar(Liar):
    """A server of messages; `lie(answer, number)` gives the line to be sent instead of the right one."""

    def serve(self, peer):
        number, unread = 0, b""
        with peer:
            try:
                while chunk := peer.recv(65536):
                    *lines, unread = (unread + chunk).split(b"\n")
                    answers = []
                    for line in lines:
                        asked = json.loads(line)["data"]
                        told = {"room": asked["room"], "sequence": asked["sequence"],
                                "tenths": round(asked["celsius"] * 10)}
                        fields = {"data_id": 7, "service_id": 11, "status": 0, "data": told}
                        answers.append(self.lie(json.dumps(fields, separators=(",", ":")).encode() + b"\n", number))
                        number += 1
                    peer.sendall(b"".join(answers))
            except OSError:
                pass


def at_70(change):
    return lambda answer, number: change(answer) if number == 70 else answer


CASES = [
    # (server, workload and options, exit status, part of the message)
    (truth, ["echo", "--connections", "4"], 0, ""),
    (truth, ["lines"], 0, ""),
    (truth, ["length4"], 0, ""),
    (truth, ["churn"], 0, ""),
    (truth, ["idle", "--connections", "50"], 0, ""),
    (flipped, ["echo", "--connections", "4"], 1, "wrong answer"),
    (flipped, ["length4"], 1, "wrong answer"),
    (swapped_lines, ["lines"], 1, "wrong answer"),
    (lost_line, ["lines"], 1, "wrong answer"),
    (doubled, ["echo", "--connections", "1"], 1, "more than it asked for"),
    (closed, ["echo", "--connections", "1"], 1, "closed"),
    (silent, ["echo", "--connections", "1"], 1, "missing answer"),
    (lambda chunk, position: chunk[:-1] + b"x", ["churn"], 1, "wrong answer"),
    (lambda chunk, position: None, ["churn"], 1, "without its answer"),
    (lambda chunk, position: chunk.replace(b"c00007", b"c00008"), ["idle", "--connections", "50"], 1, "wrong answer"),
    (lambda chunk, position: None if position else chunk, ["idle", "--connections", "50"], 1, "closed"),
]

DATAGRAM_CASES = [
    (lambda datagram, number: [datagram], ["datagrams"], 0, ""),
    (lambda datagram, number: [datagram[:-1] + b"x"], ["datagrams"], 1, "wrong answer"),
    (lambda datagram, number: [datagram + b"x"], ["datagrams"], 1, "wrong answer"),
    (lambda datagram, number: [] if number == 70 else [datagram], ["datagrams"], 1, "wrong answer"),
    (lambda datagram, number: [datagram] * (2 if number == 70 else 1), ["datagrams"], 1, "wrong answer"),
    (lambda datagram, number: [datagram] if number < 70 else [], ["datagrams", "--depth", "1"], 1, "missing answer"),
]


HTTP_CASES = [
    (clock, ["http", "--connections", "2"], 0, ""),
    (clock, ["http", "--connections", "2", "--depth", "16"], 0, ""),
    (lie_at_70(ANSWER.replace(b"200", b"404") % 1), ["http", "--connections", "2"], 1, "the status is not 200"),
    (lie_at_70(ANSWER.replace(b"World", b"Wordl") % 1), ["http", "--connections", "2"], 1, "the body is another one"),
    (lie_at_70(ANSWER.replace(b"13", b"12") % 1), ["http", "--connections", "2"], 1, "not that of the body"),
    (lie_at_70(ANSWER.replace(b"Content-Length: 13\r\n", b"") % 1), ["http", "--connections", "2"], 1,
     "no Content-Length"),
    (lie_at_70(2 * clock(7)), ["http", "--connections", "1"], 1, "more than it asked for"),
    (lie_at_70(clock(7) + b"H"), ["http", "--connections", "1"], 1, "more than it asked for"),
    (lie_at_70(b""), ["http", "--connections", "1"], 1, "missing answer"),
    (lie_at_70(None), ["http", "--connections", "1", "--depth", "16"], 1, "closed"),
]

MESSAGE_CASES = [
    (lambda answer, number: answer, ["messages"], 0, ""),
    (lambda answer, number: answer, ["messages", "--depth", "1", "--connections", "3"], 0, ""),
    (at_70(lambda answer: answer[:-4] + bytes([answer[-4] ^ 1]) + answer[-3:]), ["messages"], 1, "wrong answer"),
    (at_70(lambda answer: answer.replace(b'"status":0', b'"status":2')), ["messages"], 1, "wrong answer"),
    (at_70(lambda answer: b""), ["messages", "--connections", "1"], 1, "wrong answer"),
    (at_70(lambda answer: answer + answer), ["messages", "--connections", "1", "--depth", "1"], 1,
     "more than it asked for"),
    (lambda answer, number: answer if number < 70 else b"", ["messages", "--connections", "1"], 1, "missing answer"),
]


def main():
    failures = 0
    cases = [(Liar, *case) for case in CASES] + [(DatagramLiar, *case) for case in DATAGRAM_CASES]
    cases += [(HttpLiar, *case) for case in HTTP_CASES]
    cases += [(MessageLiar, *case) for case in MESSAGE_CASES]
    for kind, lie, arguments, status, message in cases:
        liar = kind(lie)
        done = subprocess.run([sys.argv[1], *arguments, "--port", str(liar.port), "--seconds", "0.3",
                               "--warmup", "0.1"],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        liar.listener.close()
        if done.returncode != status or message not in done.stderr:
            failures += 1
            print(f"{lie.__name__}, {' '.join(arguments)}: status {done.returncode}, expected {status}; "
                  f"said {done.stderr.strip()!r}, expected {message!r}")
    print(f"{len(cases) - failures} of {len(cases)} as expected")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
