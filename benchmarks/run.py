#!/usr/bin/env python3
"""Runs the benchmarks and writes the report: a table, report.json, report.svg. README.md says what is measured."""

import argparse
import ctypes
import datetime
import fcntl
import html
import json
import mmap
import os
import pathlib
import platform
import re
import resource
import select
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent

# What is compared: key, program, how it is named. The order is that of the table.
SERVERS = {
    "bare": ("bare_epoll", "bare epoll loop"),
    "callbacks": ("asio_callbacks", "Asio, callbacks"),
    "coroutines": ("asio_coroutines", "Asio, coroutines as written"),
    "portunus": ("portunus_server", "Portunus"),
}
COLORS = {"bare": "#8a8f98", "callbacks": "#5b8db8", "coroutines": "#c9a24b", "portunus": "#2f8f5b",
          "beast": "#b0674b", "nginx": "#7d6ba8", "trees": "#b0674b"}


class Row:
    """One server in one of its modes. `program`: one of its own for this workload."""

    def __init__(self, server, mode, note="", program=None, name=None, key=None):
        self.server, self.mode = server, mode
        self.program = program or SERVERS[server][0]
        self.key = server if not note else f"{server}.{key or mode}"
        self.name = name or SERVERS[server][1] + (f", {note}" if note else "")


HTTP_ROWS = [
    Row("bare", "http"),
    Row("beast", "http", program="beast_http", name="Boost.Beast, coroutines"),
    Row("nginx", "http", program=HERE / "peers/nginx_http.py", name="nginx"),
    Row("portunus", "http", program="portunus_http"),
]


# JSON: the yardstick is the fastest parser that there is in the bare loop; where it is missing, nothing is compared with it.
MESSAGE_ROWS = [
    Row("bare", "messages", program="bare_messages", name="bare epoll loop, simdjson"),
    Row("bare", "messages", "typed", program="bare_messages_typed", name="bare epoll loop, Portunus's JSON"),
    Row("trees", "tree", program="portunus_messages", name="batch loop, Boost.JSON's trees"),
    Row("portunus", "typed", "typed", program="portunus_messages", name="batch loop, typed points"),
    Row("portunus", "untyped", "untyped", program="portunus_messages", name="batch loop, Boost.JSON for the data"),
    Row("portunus", "typed", "channel", program="portunus_channel", name="channel, typed points",
        key="channel"),
    Row("portunus", "untyped", "channel", program="portunus_channel", name="channel, Boost.JSON for the data",
        key="channel_untyped"),
]
# One message under way: it is the loops that are compared, so the JSON is the same.
SINGLE_MESSAGE_ROWS = [
    Row("bare", "messages", program="bare_messages_typed", name="bare epoll loop, Portunus's JSON"),
    Row("trees", "tree", program="portunus_messages", name="batch loop, Boost.JSON's trees"),
    Row("portunus", "typed", "typed", program="portunus_messages", name="batch loop, typed points"),
    Row("portunus", "untyped", "untyped", program="portunus_messages", name="batch loop, Boost.JSON for the data"),
    Row("portunus", "typed", "channel", program="portunus_channel", name="channel, typed points",
        key="channel"),
    Row("portunus", "untyped", "channel", program="portunus_channel", name="channel, Boost.JSON for the data",
        key="channel_untyped"),
]


def rows(mode):
    return [Row(server, mode) for server in SERVERS]


class Workload:
    def __init__(self, key, title, arguments, rows, one_core=False, unit="message", by_cpu=False,
                 beside="callbacks"):
        self.beside = beside  # the row that the table compares with, next to the bare loop
        self.key, self.title, self.arguments, self.rows = key, title, arguments, rows
        self.one_core = one_core  # server and generator share a core
        self.unit = unit
        self.by_cpu = by_cpu  # the rate says little (the generator is the limit), the CPU time of the server says it


WORKLOADS = [
    Workload("echo", "echo of 64 bytes, 64 connections", ["echo", "--connections", "64"], rows("echo")),
    Workload("echo1", "echo of 64 bytes, 1 connection, client and server on ONE core",
             ["echo", "--connections", "1"], rows("echo"), one_core=True),
    Workload("lines", "lines of 32 bytes, 64 deep, 8 connections", ["lines"],
             rows("lines")[:-1] + [Row("portunus", "lines", "read_batch"), Row("portunus", "lines_try", "try_read"),
                                   Row("portunus", "lines_read", "read")]),
    Workload("length4", "4-byte length and 1 KiB, 16 deep, 8 connections", ["length4"], rows("length4")),
    Workload("churn", "connect, one message, close; 4 at a time", ["churn"], rows("echo"), unit="connection",
             by_cpu=True),
    Workload("datagrams", "datagrams of 64 bytes, 64 under way, 1 socket", ["datagrams"],
             [Row("bare", "recvmmsg", program="bare_udp", name="bare recvmmsg loop"),
              Row("bare", "recvmsg", "recvmsg", program="bare_udp", name="bare recvmsg loop"),
              Row("callbacks", "callbacks", program="asio_udp"),
              Row("coroutines", "coroutines", program="asio_udp", name="Asio, coroutines"),
              Row("portunus", "batches", "batches", program="portunus_udp"),
              Row("portunus", "try_receive", "try_receive", program="portunus_udp"),
              Row("portunus", "reply", "receive and reply", program="portunus_udp")], unit="datagram"),
    Workload("http", "HTTP: GET, keep-alive, 64 connections", ["http"], HTTP_ROWS, unit="request", beside="beast"),
    Workload("http_pipelined", "HTTP: GET, 16 pipelined, 8 connections",
             ["http", "--connections", "8", "--depth", "16"], HTTP_ROWS, unit="request", beside="beast"),
    Workload("messages", "messages in JSON, a line each, 64 deep, 8 connections", ["messages"], MESSAGE_ROWS,
             beside="trees"),
    Workload("messages1", "messages in JSON, one under way, 64 connections",
             ["messages", "--connections", "64", "--depth", "1"], SINGLE_MESSAGE_ROWS, beside="trees"),
]
IDLE_ROWS = rows("lines")

# (text, workload, row, value, relation, limit); the value is a name that `value_of` knows.
TARGETS = [
    ("echo, 64 connections: rate of Asio callbacks", "echo", "portunus", "rate/callbacks", ">=", 0.97),
    ("echo, 1 connection, one core: rate of Asio callbacks", "echo1", "portunus", "rate/callbacks", ">=", 1.00),
    ("echo, 1 connection, one core: system calls a round trip", "echo1", "portunus", "system_calls", "<=", 4.0),
    ("lines, read_batch: rate of the bare loop", "lines", "portunus.lines", "rate/bare", ">=", 0.90),
    ("lines, read_batch: rate of Asio coroutines as written", "lines", "portunus.lines", "rate/coroutines", ">=", 35.0),
    ("lines, try_read: rate of the bare loop", "lines", "portunus.lines_try", "rate/bare", ">=", 0.75),
    ("lines, read: rate of the bare loop", "lines", "portunus.lines_read", "rate/bare", ">=", 0.50),
    ("churn: CPU a connection of Asio callbacks", "churn", "portunus", "cpu/callbacks", "<=", 1.05),
    ("echo, 64 connections: allocations a message", "echo", "portunus", "allocations", "<=", 0.0),
    ("echo, 1 connection, one core: allocations a message", "echo1", "portunus", "allocations", "<=", 0.0),
    ("lines, read_batch: allocations a message", "lines", "portunus.lines", "allocations", "<=", 0.0),
    ("lines, try_read: allocations a message", "lines", "portunus.lines_try", "allocations", "<=", 0.0),
    ("lines, read: allocations a message", "lines", "portunus.lines_read", "allocations", "<=", 0.0),
    ("length4: allocations a message", "length4", "portunus", "allocations", "<=", 0.0),
    ("datagrams, batches: rate of the bare recvmmsg loop", "datagrams", "portunus.batches", "rate/bare", ">=", 0.95),
    ("datagrams, batches: rate of Asio callbacks", "datagrams", "portunus.batches", "rate/callbacks", ">=", 1.40),
    ("datagrams, batches: allocations a datagram", "datagrams", "portunus.batches", "allocations", "<=", 0.0),
    ("datagrams, receive: allocations a datagram", "datagrams", "portunus.reply", "allocations", "<=", 0.0),
    ("http, keep-alive: rate of the bare loop", "http", "portunus", "rate/bare", ">=", 0.90),
    ("http, keep-alive: rate of Boost.Beast", "http", "portunus", "rate/beast", ">=", 1.50),
    ("http, keep-alive: allocations a request", "http", "portunus", "allocations", "<=", 0.0),
    ("http, pipelined: rate of the bare loop", "http_pipelined", "portunus", "rate/bare", ">=", 0.80),
    ("http, pipelined: rate of Boost.Beast", "http_pipelined", "portunus", "rate/beast", ">=", 10.0),
    ("http, pipelined: allocations a request", "http_pipelined", "portunus", "allocations", "<=", 0.0),
    ("messages, channel: rate of the bare loop with simdjson", "messages", "portunus.channel", "rate/bare", ">=", 0.60),
    ("messages, channel: rate of trees", "messages", "portunus.channel", "rate/trees", ">=", 2.50),
    ("messages, channel untyped: rate of trees", "messages", "portunus.channel_untyped", "rate/trees", ">=", 1.50),
    ("messages, channel: allocations a message", "messages", "portunus.channel", "allocations", "<=", 0.0),
    ("messages, one under way, channel: the bare loop, same JSON", "messages1", "portunus.channel", "rate/bare", ">=", 0.92),
    ("messages, batch loop: rate of the bare loop with simdjson", "messages", "portunus.typed", "rate/bare", ">=", 0.60),
    ("messages, batch loop: rate of trees", "messages", "portunus.typed", "rate/trees", ">=", 2.50),
    ("messages, batch loop: allocations a message", "messages", "portunus.typed", "allocations", "<=", 0.0),
    ("messages, one under way, batch loop: the bare loop, same JSON", "messages1", "portunus.typed", "rate/bare", ">=",
     0.92),
    ("idle connection: heap bytes", "idle", "portunus", "bytes", "<=", 2048.0),
]


class Failed(Exception):
    """A run that did not do what it should."""


# ---------------------------------------------------------------------------------------------------------------
# The machine


def enter_own_network():
    """A network namespace of our own, where there are no firewall rules, no ports that earlier runs still hold, and
    the simplest congestion control: the pacing of others makes loopback slower and less even. Returns what was done,
    for the report."""
    libc = ctypes.CDLL(None, use_errno=True)
    clone_newnet = 0x40000000
    with open("/proc/self/ns/net", "rb") as host:
        if libc.unshare(clone_newnet) != 0:
            return f"the host's network, no namespace of its own ({os.strerror(ctypes.get_errno())})"
        try:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
                siocgifflags, siocsifflags, iff_up = 0x8913, 0x8914, 1
                request = bytearray(struct.pack("16sH22x", b"lo", 0))
                fcntl.ioctl(control, siocgifflags, request)
                flags = struct.unpack_from("H", request, 16)[0] | iff_up
                fcntl.ioctl(control, siocsifflags, struct.pack("16sH22x", b"lo", flags))
        except OSError as failed:
            libc.setns(host.fileno(), clone_newnet)
            return f"the host's network, no loopback in a namespace of its own ({failed.strerror})"
    try:
        pathlib.Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text("reno")
    except OSError:
        pass
    return "a network namespace of its own"


def read_text(path):
    try:
        return pathlib.Path(path).read_text().strip()
    except OSError:
        return None


def describe_machine(arguments, binaries, network):
    cpu = re.search(r"^model name\s*:\s*(.*)$", read_text("/proc/cpuinfo") or "", re.MULTILINE)
    build = {}
    try:
        build = json.loads((binaries / "build_info.json").read_text())
    except (OSError, ValueError):
        pass
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join([pathlib.Path(sys.argv[0]).name] + sys.argv[1:]),
        "kernel": platform.release(),
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "server_core": arguments.server_core,
        "generator_core": arguments.generator_core,
        "network": network,
        "congestion_control": read_text("/proc/sys/net/ipv4/tcp_congestion_control"),
        "load_before": os.getloadavg()[0],
        "compiler": build.get("compiler", "unknown"),
        "boost": build.get("boost", "unknown"),
        "flags": " ".join(build.get("flags", "unknown").split()),
    }


def find_tracepoint():
    """The id of the tracepoint at the entry of a system call, or None and the reason."""
    names = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"]
    for attempt in range(2):
        for name in names:
            text = read_text(f"{name}/events/raw_syscalls/sys_enter/id")
            if text:
                return int(text), None
        if attempt == 0 and shutil.which("perf"):
            # perf mounts the tracing file system where it may.
            subprocess.run(["perf", "stat", "-e", "raw_syscalls:sys_enter", "true"], stdin=subprocess.DEVNULL,
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=20, check=False)
    return None, "no readable tracing file system"


# ---------------------------------------------------------------------------------------------------------------
# Processes


def child_setup(core, nice):
    """To be called in the child before exec: on its core, at its priority, and not outliving this program."""
    parent = os.getpid()

    def setup():
        if nice:
            os.setsid()  # with autogrouping the priority of a process counts only within its session
            try:
                os.setpriority(os.PRIO_PROCESS, 0, nice)
                pathlib.Path("/proc/self/autogroup").write_text(str(nice))
            except OSError:
                pass
        os.sched_setaffinity(0, {core})
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return setup


class Server:
    """A server as a child; `with` stops it, by its process id, however the block is left."""

    def __init__(self, bench, row, environment=None):
        self.row = row
        program = bench.binaries / row.program
        self.process = subprocess.Popen(
            [str(program), "--mode", row.mode], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            env={**os.environ, "TMPDIR": bench.scratch.name, **(environment or {})},
            preexec_fn=child_setup(bench.arguments.server_core, bench.arguments.nice))
        try:
            self.port = self.read_port()
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self):
        return self.process.pid

    def read_port(self):
        line = b""
        limit = time.monotonic() + 10
        while not line.endswith(b"\n"):
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, limit - time.monotonic()))
            got = os.read(self.process.stdout.fileno(), 64) if ready else b""
            if not got:
                raise Failed(f"{self.row.name} ({self.row.mode}) printed no port")
            line += got
        found = re.fullmatch(rb"port (\d+)\n", line)
        if not found:
            raise Failed(f"{self.row.name} ({self.row.mode}) printed {line!r} instead of its port")
        return int(found.group(1))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                self.kill()
                if kind is None:
                    raise Failed(f"{self.row.name} ({self.row.mode}) did not end on SIGTERM") from None
        self.process.stdout.close()
        if kind is None and self.process.returncode != 0:
            raise Failed(f"{self.row.name} ({self.row.mode}) ended with status {self.process.returncode}")


class Counters:
    """The file of the allocation counter, read from outside. The fields stand in allocation_counter.hpp."""

    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.memory = mmap.mmap(file.fileno(), 40, prot=mmap.PROT_READ)

    def bytes_in_use(self):
        return struct.unpack_from("<Q", self.memory, 24)[0]


def private_dirty(pid):
    found = re.search(r"^Private_Dirty:\s+(\d+) kB", read_text(f"/proc/{pid}/smaps_rollup") or "", re.MULTILINE)
    return int(found.group(1)) * 1024 if found else None


class Bench:
    def __init__(self, arguments, binaries):
        self.arguments, self.binaries = arguments, binaries
        self.failures = []
        self.slices = self.repeated = self.disturbed = 0
        self.scratch = tempfile.TemporaryDirectory(prefix="benchmarks-")
        self.tracepoint, self.tracepoint_missing = find_tracepoint()
        self.counter = binaries / "allocation_counter.so"

    def has(self, row):
        if row.server == "nginx" and not shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin"):
            return False
        return (self.binaries / row.program).exists()

    def fail(self, text):
        self.failures.append(text)
        print(f"FAILED: {text}", flush=True)

    def generate(self, workload, server, seconds, warmup, extra=()):
        core = self.arguments.server_core if workload.one_core else self.arguments.generator_core
        command = [str(self.binaries / "load_generator"), *workload.arguments, "--port", str(server.port),
                   "--seconds", str(seconds), "--warmup", str(warmup), "--server-pid", str(server.pid), *extra]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  timeout=seconds + warmup + 45, check=False, text=True,
                                  preexec_fn=child_setup(core, self.arguments.nice))
        except subprocess.TimeoutExpired:
            raise Failed("the load generator did not end") from None
        if done.returncode != 0:
            raise Failed(f"{workload.key}, {server.row.name}: {done.stderr.strip() or done.returncode}")
        return json.loads(done.stdout)

    # A slice during which others had a notable part of the cores says nothing about the servers.
    @staticmethod
    def lost(workload, result):
        """The part of the interval in which a process was ready to run, or one-core: neither of the two ran."""
        if workload.one_core:
            ran = result["server_cpu_ns"] + result["generator_cpu_ns"]
            return max(0.0, 1.0 - ran / (result["seconds"] * 1e9))
        return max(result["server_waited_ns"], result["generator_waited_ns"]) / (result["seconds"] * 1e9)

    def slice(self, workload, server):
        a = self.arguments
        best = None
        for attempt in range(1 + a.repeat):
            result = self.generate(workload, server, a.seconds, a.warmup)
            result["lost"] = self.lost(workload, result)
            if best is None or result["lost"] < best["lost"]:
                best = result
            if best["lost"] <= a.disturbed or time.monotonic() > self.deadline:
                break
            self.repeated += attempt < a.repeat
        self.slices += 1
        self.disturbed += best["lost"] > a.disturbed
        return best

    def timed_rounds(self, workload):
        """All servers are up the whole time (one that is not asked costs nothing) and are measured in turn, in short
        slices: the machine's own moods last seconds, and so touch all of a round or none."""
        results = {}
        servers = {}
        self.deadline = time.monotonic() + self.arguments.workload_seconds
        try:
            for row in workload.rows:
                if not self.has(row):
                    continue
                try:
                    servers[row.key] = Server(self, row)
                    results[row.key] = []
                except Failed as failed:
                    self.fail(str(failed))
            for number in range(self.arguments.rounds):
                if time.monotonic() > self.deadline:
                    print(f"time is up: {number} rounds of {workload.key}", flush=True)
                    break
                keys = list(servers)
                shift = number % len(keys) if keys else 0
                for key in keys[shift:] + keys[:shift]:
                    try:
                        results[key].append(self.slice(workload, servers[key]))
                    except Failed as failed:
                        self.fail(str(failed))
                        results[key].append(None)
                        results.pop(key)
                        try:
                            with servers.pop(key):
                                pass
                        except Failed as also:
                            self.fail(str(also))
        finally:
            for server in servers.values():
                try:
                    with server:
                        pass
                except Failed as failed:
                    self.fail(str(failed))
        return results

    def counted_round(self, workload, row):
        """System calls and allocations a message, in a run of its own: counting costs time."""
        a = self.arguments
        counts = {"system_calls": None, "system_calls_by": None, "allocations": None}
        environment, extra = {}, []
        if self.counter.exists():
            path = os.path.join(self.scratch.name, f"{workload.key}-{row.key}")
            environment = {"LD_PRELOAD": str(self.counter), "PORTUNUS_ALLOCATION_COUNTERS": path}
            extra += ["--allocations", path]
        if self.tracepoint is not None:
            extra += ["--tracepoint", str(self.tracepoint)]
        with Server(self, row, environment) as server:
            result = self.generate(workload, server, a.count_seconds, a.warmup, extra)
            messages = result["messages"]
            if "allocations" in result and messages:
                counts["allocations"] = result["allocations"] / messages
                counts["allocations_total"] = result["allocations"]
            if "system_calls" in result and messages:
                counts["system_calls"] = result["system_calls"] / messages
                counts["system_calls_by"] = "tracepoint"
            counts["counted_messages"] = messages
        if counts["system_calls"] is None and shutil.which("strace"):
            self.count_by_strace(workload, row, counts)
        return counts

    def count_by_strace(self, workload, row, counts):
        path = os.path.join(self.scratch.name, "strace")
        with Server(self, row) as server:
            strace = subprocess.Popen(["strace", "-c", "-f", "-o", path, "-p", str(server.pid)],
                                      stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                ready, _, _ = select.select([strace.stderr], [], [], 5)  # "attached"
                if not ready or strace.poll() is not None:
                    return
                result = self.generate(workload, server, self.arguments.count_seconds, self.arguments.warmup)
            finally:
                strace.send_signal(signal.SIGINT)
                try:
                    strace.wait(timeout=5)
                except subprocess.TimeoutExpired:
                    strace.kill()
                    strace.wait()
                strace.stderr.close()
        found = re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)(?:\s+\d+)?\s+total$", read_text(path) or "",
                          re.MULTILINE)
        if found and result["total_messages"]:
            counts["system_calls"] = int(found.group(1)) / result["total_messages"]
            counts["system_calls_by"] = "strace"

    def idle_memory(self, row):
        a = self.arguments
        if not self.counter.exists():
            raise Failed("the allocation counter is not built")
        path = os.path.join(self.scratch.name, f"idle-{row.key}")
        environment = {"LD_PRELOAD": str(self.counter), "PORTUNUS_ALLOCATION_COUNTERS": path}
        with Server(self, row, environment) as server:
            counters = Counters(path)
            heap, dirty = counters.bytes_in_use(), private_dirty(server.pid)
            generator = subprocess.Popen(
                [str(self.binaries / "load_generator"), "idle", "--port", str(server.port), "--connections",
                 str(a.idle_connections), "--seconds", str(a.idle_settle + 30)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                preexec_fn=child_setup(a.generator_core, a.nice))
            try:
                ready, _, _ = select.select([generator.stdout], [], [], 40)
                if not ready or not generator.stdout.readline():
                    generator.kill()
                    raise Failed(f"idle, {row.name}: {generator.communicate()[1].decode().strip() or 'no answer'}")
                fresh = counters.bytes_in_use()
                time.sleep(a.idle_settle)
                settled, dirty_after = counters.bytes_in_use(), private_dirty(server.pid)
                _, errors = generator.communicate(timeout=60)
                if generator.returncode != 0:
                    raise Failed(f"idle, {row.name}: {errors.decode().strip()}")
            finally:
                if generator.poll() is None:
                    generator.kill()
                    generator.wait()
        n = a.idle_connections
        return {
            "connections": n,
            "bytes_fresh": (fresh - heap) / n,
            "bytes": (settled - heap) / n,
            "private_dirty": (dirty_after - dirty) / n if None not in (dirty, dirty_after) else None,
        }


# ---------------------------------------------------------------------------------------------------------------
# Figures


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)} if values else None


def per_round(results, key, other, figure):
    """Quotients of two rows, round by round; their median is steadier than the quotient of the medians."""
    if key not in results or other not in results:
        return None
    return spread([figure(a) / figure(b) for a, b in zip(results[key], results[other])])


def rate(result):
    return result["rate"]


def cpu(result):
    return result["server_cpu_ns"] / max(1, result["messages"])


def summarize(workload, results, counts):
    summary = {}
    for row in workload.rows:
        if not results.get(row.key):
            continue
        measured = results[row.key]
        entry = {"name": row.name, "mode": row.mode, "rate": spread([rate(r) for r in measured]),
                 "cpu_ns": spread([cpu(r) for r in measured]),
                 "server_busy": statistics.median(r["server_cpu_ns"] / (r["seconds"] * 1e9) for r in measured)}
        for other in ("bare", "callbacks", "coroutines", "beast", "trees"):
            entry[f"rate/{other}"] = per_round(results, row.key, other, rate)
            entry[f"cpu/{other}"] = per_round(results, row.key, other, cpu)
        for quantile in ("latency_p50_us", "latency_p99_us"):
            if all(quantile in r for r in measured):
                entry[quantile] = statistics.median(r[quantile] for r in measured)
        entry.update(counts.get(row.key, {}))
        entry["rounds"] = measured
        summary[row.key] = entry
    return summary


def judge(report):
    judged = []
    for text, workload, row, value, relation, limit in TARGETS:
        entry = report["workloads"].get(workload, {}).get("rows", {}).get(row)
        if workload == "idle":
            entry = report.get("idle", {}).get(row)
        got = entry.get(value) if entry else None
        if isinstance(got, dict):
            got = got["median"]
        # Start-up leftovers (a buffer that grows once more) are not allocations a message.
        tolerance = 0.001 if value == "allocations" else 0.005 if value == "system_calls" else 0.0
        met = None
        if got is not None:
            met = got <= limit + tolerance if relation == "<=" else got >= limit - tolerance
        judged.append({"target": text, "relation": relation, "limit": limit, "value": got, "met": met})
    return judged


# ---------------------------------------------------------------------------------------------------------------
# The terminal


def number(value, digits=2):
    return "n/a" if value is None else f"{value:,.{digits}f}"


def compact(value):
    for size, suffix in ((1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{suffix}" if value < 100 * size else f"{value / size:.0f}{suffix}"
    return f"{value:.3g}"


def middle(value, digits=3):
    return "n/a" if value is None else f"{value['median']:.{digits}f}"


def print_table(header, lines):
    widths = [max(len(line[i]) for line in [header] + lines) for i in range(len(header))]
    for line in [header] + lines:
        cells = [line[0].ljust(widths[0])] + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:])]
        print("  " + "  ".join(cells).rstrip())


def print_workload(workload, summary):
    print(f"\n{workload.title}")
    beside = workload.beside
    lines = []
    for entry in summary.values():
        lines.append([
            entry["name"], f"{compact(entry['rate']['median'])}",
            f"{compact(entry['rate']['min'])}..{compact(entry['rate']['max'])}",
            middle(entry["rate/bare"]), middle(entry[f"rate/{beside}"]),
            number(entry["cpu_ns"]["median"] / 1000, 3), middle(entry["cpu/bare"]), middle(entry[f"cpu/{beside}"]),
            number(entry.get("system_calls"), 3), number(entry.get("allocations"), 3),
            f"{entry['server_busy'] * 100:.0f} %",
            f"{entry['latency_p50_us']:.1f}/{entry['latency_p99_us']:.1f}" if "latency_p99_us" in entry else "-",
        ])
    print_table(["", f"{workload.unit}s/s", "min..max", "/bare", f"/{beside}", "CPU us", "/bare", f"/{beside}",
                 "syscalls", "allocs", "busy", "p50/p99 us"], lines)


def print_idle(idle, arguments):
    if not idle:
        return
    print(f"\nidle: heap bytes a connection, {arguments.idle_connections} connections, each used once")
    lines = [[entry["name"], number(entry["bytes_fresh"], 0), number(entry["bytes"], 0),
              number(entry["private_dirty"], 0)] for entry in idle.values()]
    print_table(["", "at once", f"after {arguments.idle_settle:g} s", "private dirty"], lines)


def print_targets(judged, rounds):
    print("\ntargets" + (" (too few rounds to judge by)" if rounds < 5 else ""))
    print_table(["", "wanted", "measured", ""], [
        [j["target"], f"{j['relation']} {j['limit']:g}",
         "-" if j["value"] is None else f"{j['value']:.3f}" if abs(j["value"]) < 100 else f"{j['value']:,.0f}",
         "not measured" if j["met"] is None else "met" if j["met"] else "MISSED"] for j in judged])


# ---------------------------------------------------------------------------------------------------------------
# The chart


def draw(report):
    left, right, bar, gap, top = 250, 90, 18, 4, 64
    width = 900
    span = width - left - right
    scale_end = 1.2  # of the bare loop; longer bars are cut and say so by their number

    body, y = [], top

    def text(x, at, words, size=12, anchor="start", weight="normal", color="#24292f"):
        body.append(f'<text x="{x:.1f}" y="{at:.1f}" font-size="{size}" text-anchor="{anchor}" '
                    f'font-weight="{weight}" fill="{color}">{html.escape(words)}</text>')

    def draw_bar(key, name, share, label, low=None, high=None):
        nonlocal y
        length = max(1.0, min(share, 1.0) * span)
        text(left - 8, y + bar - 5, name, anchor="end")
        body.append(f'<rect x="{left}" y="{y}" width="{length:.1f}" height="{bar}" rx="2" fill="{COLORS[key]}"/>')
        if low is not None:
            a, b = min(low, 1.0) * span, min(high, 1.0) * span
            middle_y = y + bar / 2
            body.append(f'<path d="M{left + a:.1f} {middle_y}H{left + b:.1f} M{left + a:.1f} {middle_y - 4}v8 '
                        f'M{left + b:.1f} {middle_y - 4}v8" stroke="#24292f" stroke-width="1" fill="none"/>')
        text(left + span + 10, y + bar - 5, label, weight="bold")
        y += bar + gap

    for workload in WORKLOADS:
        found = report["workloads"].get(workload.key)
        entries = {k: e for k, e in (found or {"rows": {}})["rows"].items() if e["rate/bare"]}
        if not entries:
            continue
        title = workload.title + (" (CPU time: bare loop / server)" if workload.by_cpu else " (rate)")
        text(left, y + 12, title, size=13, weight="bold")
        y += 22
        start = y
        for key, entry in entries.items():
            ratio = entry["rate/bare"]
            if workload.by_cpu:
                by = entry["cpu/bare"]
                ratio = {"median": 1 / by["median"], "min": 1 / by["max"], "max": 1 / by["min"]}
            spans = (None, None) if key == "bare" else (ratio["min"] / scale_end, ratio["max"] / scale_end)
            digits = 3 if ratio["median"] < 0.1 else 2
            draw_bar(key.split(".")[0], entry["name"], ratio["median"] / scale_end, f"{ratio['median']:.{digits}f}",
                     *spans)
        one = left + span / scale_end
        body.append(f'<path d="M{one:.1f} {start - 2}V{y}" stroke="#57606a" stroke-dasharray="3 3" fill="none"/>')
        y += 16

    idle = report.get("idle") or {}
    if idle:
        text(left, y + 12, "heap bytes of an idle connection (less is better)", size=13, weight="bold")
        y += 22
        most = max(max(1.0, e["bytes"]) for e in idle.values())
        for key, entry in idle.items():
            draw_bar(key, entry["name"], max(0.0, entry["bytes"]) / most, f"{entry['bytes']:,.0f}")
        y += 16

    machine = report["machine"]
    text(24, 26, "Ratios to a bare epoll loop", size=18, weight="bold")
    text(24, 46, f"rounds: {report['rounds']}, interleaved; bar: median, thin line: least to most; the bare loop is 1; "
                 "more is better", color="#57606a")
    text(24, y + 8, f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['compiler']}, "
                    f"Boost {machine['boost']}, {machine['date'][:10]}", size=11, color="#57606a")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{y + 24}" '
            f'viewBox="0 0 {width} {y + 24}" font-family="sans-serif">\n'
            f'<rect width="100%" height="100%" fill="#ffffff"/>\n' + "\n".join(body) + "\n</svg>\n")


# ---------------------------------------------------------------------------------------------------------------


def find_binaries():
    found = [path.parent for pattern in ("build*/benchmarks", "build*/*/benchmarks", "out/*/benchmarks")
             for path in HERE.parent.glob(f"{pattern}/load_generator")]
    return max(found, key=lambda path: (path / "load_generator").stat().st_mtime) if found else None


def parse():
    keys = [workload.key for workload in WORKLOADS] + ["idle"]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run: one short round, under a minute")
    parser.add_argument("--only", action="append", choices=keys, help="this workload alone; may be repeated")
    parser.add_argument("--bin", type=pathlib.Path, help="where the programs are (default: the newest build)")
    parser.add_argument("--out", type=pathlib.Path, help="where the report goes (default: build/benchmarks-report)")
    parser.add_argument("--rounds", type=int, help="interleaved rounds (default 20)")
    parser.add_argument("--seconds", type=float, help="measured in each slice of a round (default 0.4)")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--generator-core", type=int, default=1)
    parser.add_argument("--nice", type=int, default=0,
                        help="priority of servers and generator, e.g. -20 on a machine where others work, too")
    parser.add_argument("--host-network", action="store_true", help="no network namespace of its own")
    a = parser.parse_args()
    a.rounds = a.rounds or (1 if a.quick else 20)
    a.seconds = a.seconds or (0.5 if a.quick else 0.4)
    a.warmup = 0.1
    a.count_seconds = 0.2 if a.quick else 0.5
    a.idle_connections = 2000 if a.quick else 10_000
    a.idle_settle = 1.0 if a.quick else 8.0
    a.disturbed = 0.05  # a slice that lost more than this part of its time to other processes is run again ...
    a.repeat = 0 if a.quick else 2  # ... at most so often
    a.workload_seconds = 10 if a.quick else 80  # no further rounds of a workload after that
    cores = os.sched_getaffinity(0)
    if not {a.server_core, a.generator_core} <= cores:
        a.server_core = a.generator_core = min(cores)
    return a


def main():
    a = parse()
    binaries = (a.bin or find_binaries() or pathlib.Path("none")).resolve()
    if not (binaries / "load_generator").exists():
        sys.exit("no load generator found: build with -DPORTUNUS_BUILD_BENCHMARKS=ON, or name its directory by --bin")
    out = a.out or binaries.parent / "benchmarks-report"
    out.mkdir(parents=True, exist_ok=True)

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # children inherit it: 10 000 connections
    if hard != resource.RLIM_INFINITY and hard < a.idle_connections + 100:
        a.idle_connections = hard - 100
    bench = Bench(a, binaries)
    network = "the host's network" if a.host_network else enter_own_network()

    machine = describe_machine(a, binaries, network)
    print(f"{machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, {machine['compiler']}, "
          f"Boost {machine['boost']}")
    print(f"server on core {a.server_core}, generator on core {a.generator_core}, {network}, "
          f"congestion control {machine['congestion_control']}, load {machine['load_before']:.2f}")
    if a.server_core == a.generator_core:
        print("ONE core only: client and server share it in every workload")
        for workload in WORKLOADS:
            workload.one_core = True
    if bench.tracepoint is None:
        how = "strace, which changes the batching" if shutil.which("strace") else "n/a: no strace either"
        print(f"system calls: {bench.tracepoint_missing}; counted by {how}")
    missing = sorted({pathlib.Path(row.program).name for workload in WORKLOADS for row in workload.rows
                      if not bench.has(row)})
    if missing:
        print(f"not built, left out: {', '.join(missing)}")

    report = {"machine": machine, "rounds": a.rounds, "seconds": a.seconds, "workloads": {}, "idle": {}}
    started = time.monotonic()
    for workload in WORKLOADS:
        if a.only and workload.key not in a.only:
            continue
        results = bench.timed_rounds(workload)
        counts = {}
        for row in workload.rows:
            if row.key not in results:
                continue
            try:
                counts[row.key] = bench.counted_round(workload, row)
            except Failed as failed:
                bench.fail(str(failed))
        summary = summarize(workload, results, counts)
        report["workloads"][workload.key] = {"title": workload.title, "unit": workload.unit, "rows": summary}
        print_workload(workload, summary)
        sys.stdout.flush()

    if not a.only or "idle" in a.only:
        for row in IDLE_ROWS:
            if not bench.has(row):
                continue
            try:
                report["idle"][row.key] = {"name": row.name, **bench.idle_memory(row)}
            except (Failed, subprocess.TimeoutExpired) as failed:
                bench.fail(str(failed))
        print_idle(report["idle"], a)

    report["targets"] = judge(report)
    report["failures"] = bench.failures
    report["slices"] = {"all": bench.slices, "repeated": bench.repeated, "disturbed": bench.disturbed}
    report["duration_seconds"] = round(time.monotonic() - started, 1)
    print_targets(report["targets"], a.rounds)
    (out / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    (out / "report.svg").write_text(draw(report))
    if bench.disturbed:
        print(f"\nOther processes took more than {a.disturbed * 100:.0f} % of {bench.disturbed} of {bench.slices} "
              "slices: do not quote these figures.")
    print(f"\n{report['duration_seconds']:.0f} s; written: {out / 'report.json'}, {out / 'report.svg'}")
    if bench.failures:
        print(f"{len(bench.failures)} runs FAILED")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
