#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""How fast a relay is: source -> relay -> sink over loopback, one connection, for Portunus (splice, copy), a bare loop
of splice(2) in C, and socat. Every byte is counted at the sink, and their checksum is compared.

    relay_bench.py [--bin DIRECTORY] [--bytes N] [--rounds N] [--only NAME]... [--out FILE]

Rounds are interleaved, and ratios are taken within a round: the table has the median, and the extremes. The relay has a
core of its own; source and sink share the other one, and their cost is a part of every figure. CPU is the relay's own
time for a GiB. The status is 0 when every byte arrived, whatever the figures say.
"""

import argparse
import json
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
import zlib

BLOCK = bytes((i * 131 + i // 251) & 0xFF for i in range(1 << 20))
PATIENCE = 120
TARGET = 0.90  # of the bare loop, and of socat

NAMES = {
    "bare": "bare splice loop",
    "splice": "Portunus, splice",
    "copy": "Portunus, copy",
    "socat": "socat -b 65536",
}


def pin(core):
    try:
        os.sched_setaffinity(0, {core})
    except OSError:
        pass


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Relay:
    """One relay as our child, on a core of its own."""

    def __init__(self, name, binaries, target, core):
        if name == "socat":
            self.port = free_port()
            command = ["socat", "-b", "65536", f"TCP-LISTEN:{self.port},bind=127.0.0.1,reuseaddr",
                       f"TCP:127.0.0.1:{target}"]
        elif name == "bare":
            command = [str(binaries / "bare_splice"), "--target", str(target)]
        else:
            command = [str(binaries / "portunus_relay"), "--target", str(target), "--way", name]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, preexec_fn=lambda: pin(core))
        if name != "socat":
            self.port = int(re.match(r"port (\d+)", self.process.stdout.readline()).group(1))

    def connect(self):
        end = time.monotonic() + 10
        while True:
            try:
                return socket.create_connection(("127.0.0.1", self.port), PATIENCE)
            except ConnectionRefusedError:  # socat says nothing when it is ready
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def cpu(self):
        """Seconds of processor time until now."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.communicate()


class Sink(threading.Thread):
    """Accepts one connection and reads it to its end; `check` sums every byte, otherwise they are counted only."""

    def __init__(self, listener, check):
        super().__init__(daemon=True)
        self.listener, self.check = listener, check
        self.size, self.sum, self.failure = 0, 0, None
        self.start()

    def run(self):
        try:
            peer, _ = self.listener.accept()
            peer.settimeout(PATIENCE)
            buffer = bytearray(1 << 18)
            view = memoryview(buffer)
            with peer:
                while n := peer.recv_into(buffer):
                    self.size += n
                    if self.check:
                        self.sum = zlib.crc32(view[:n], self.sum)
                self.ended = time.perf_counter()
        except OSError as failed:
            self.failure = failed


def send(peer, size):
    """Sends `size` bytes and the end; their checksum is that of the blocks."""
    left = size
    while left:
        piece = BLOCK if left >= len(BLOCK) else BLOCK[:left]
        peer.sendall(piece)
        left -= len(piece)
    peer.shutdown(socket.SHUT_WR)


def checksum(size):
    total = 0
    for _ in range(size // len(BLOCK)):
        total = zlib.crc32(BLOCK, total)
    return zlib.crc32(BLOCK[: size % len(BLOCK)], total)


def carry(name, arguments, size, check):
    """(seconds, seconds of the relay's processor time); raises when a byte is missing or wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        sink = Sink(listener, check)
        relay = Relay(name, arguments.bin, listener.getsockname()[1], arguments.relay_core)
        try:
            with relay.connect() as peer:
                before, began = relay.cpu(), time.perf_counter()
                send(peer, size)
                # The relay must still be there when its processor time is asked: the connection stays half open
                # until the sink has everything.
                sink.join(PATIENCE)
                used = relay.cpu() - before if relay.process.poll() is None else float("nan")
            if sink.is_alive() or sink.failure:
                raise RuntimeError(f"{name}: the sink did not see the end: {sink.failure}")
            if sink.size != size:
                raise RuntimeError(f"{name}: {sink.size} of {size} bytes arrived")
            if check and sink.sum != checksum(size):
                raise RuntimeError(f"{name}: the bytes that arrived are not those that were sent")
            return sink.ended - began, used
        finally:
            relay.stop()


def spread(values):
    return f"{statistics.median(values):6.2f}  ({min(values):.2f} to {max(values):.2f})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    here = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--bin", type=pathlib.Path, default=here.parent / "build" / "benchmarks")
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", action="append", choices=NAMES)
    parser.add_argument("--relay-core", type=int, default=0)
    parser.add_argument("--load-core", type=int, default=1)
    parser.add_argument("--out", type=pathlib.Path)
    arguments = parser.parse_args()
    names = [n for n in arguments.only or NAMES if n != "socat" or shutil.which("socat")]
    if "socat" not in names:
        print("socat is not measured: not asked for, or not installed")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    pin(arguments.load_core)

    for name in names:  # every byte is looked at in runs of their own: the check is slower than the relays
        carry(name, arguments, min(arguments.bytes, 1 << 28) + 12345, True)
    print(f"{len(names)} relays carried {min(arguments.bytes, 1 << 28) + 12345} bytes each, checksums equal")

    rates = {n: [] for n in names}
    cpu = {n: [] for n in names}
    for r in range(arguments.rounds):
        for name in names[r % len(names):] + names[: r % len(names)]:
            seconds, used = carry(name, arguments, arguments.bytes, False)
            rates[name].append(arguments.bytes / seconds / (1 << 30))
            cpu[name].append(used / arguments.bytes * (1 << 30))
    gib = arguments.bytes / (1 << 30)
    print(f"\n{gib:.2f} GiB a run, {arguments.rounds} interleaved rounds, load {os.getloadavg()[0]:.1f} before the end")
    print(f"{'relay':20} {'GiB/s':26} {'of bare':26} {'of socat':26} CPU s/GiB")
    report = {}
    for name in names:
        row = f"{NAMES[name]:20} {spread(rates[name]):26}"
        for against in ("bare", "socat"):
            ratios = [a / b for a, b in zip(rates[name], rates[against])] if against in rates else []
            row += f" {spread(ratios) if ratios else '-':26}"
            report.setdefault(name, {})[f"of {against}"] = statistics.median(ratios) if ratios else None
        print(row, f"{statistics.median(cpu[name]):.3f}")
        report[name] |= {"rates": rates[name], "cpu": cpu[name]}
    for against in ("bare", "socat"):
        ratio = report.get("splice", {}).get(f"of {against}")
        if ratio is not None:
            met = "met" if ratio >= TARGET else "MISSED"
            print(f"target: splice at least {TARGET:.2f} of {NAMES[against]}: {ratio:.2f}, {met}")
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1))
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (RuntimeError, OSError) as failed:
        print(f"failed: {failed}", file=sys.stderr)
        sys.exit(1)
