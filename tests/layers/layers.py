#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""The layer law: reads every #include under include/portunus and says which ones break it.

    layers.py <include directory>

A room is a directory under include/portunus. What a room may include, and what else holds for it, stands in the
tables below and nowhere else; a new room, or a new header that waits inside `http` or `channel`, is entered here.
One line for each breach, `file:line: [rule] what and why`; the exit code is 0 (none), 1 (some) or 2 (wrong usage).
"""

import pathlib
import re
import sys

# room -> the rooms it may include besides itself
ROOMS = {
    # L0
    "core": set(),
    # L1
    "framing": {"core"},
    "policy": {"core"},
    "json": {"core"},
    "crypto": {"core"},
    # L2
    "net": {"core", "framing", "policy"},
    # L3
    "http": {"core", "framing", "policy", "json", "crypto", "net"},
    "channel": {"core", "framing", "policy", "json", "crypto", "net"},
    # L4
    "adapters": {"core", "framing", "policy", "json", "crypto", "net", "http", "channel"},
    # for users' tests: the library itself never includes it
    "testing": {"core", "framing", "policy", "json", "crypto", "net"},
}

# Rooms that compute and never wait: bytes and times in, decisions out.
PURE_ROOMS = {"framing", "policy", "json", "crypto"}

# Two rooms have a pure part (L1) and one that waits (L3). These are the headers that wait, and with them those whose
# names begin like theirs (http/server_options.hpp, http/detail/server_session.hpp); every other header of the room is
# pure.
WAITING = {
    "http": ("server", "https_server", "client", "https_client", "gzip_client", "websocket", "tls_websocket", "connection", "request", "streaming", "middleware", "access_log",
             "basic_auth", "cors", "security_headers", "static_files", "open_beneath", "compress", "event_stream", "event_broadcaster",
             "event_mailbox"),
    "channel": ("channel", "session"),  # channel, channel_server, channel_client
}
# These begin like one that waits, and do not.
PURE_NEVERTHELESS = ("channel/channel_name",)
PURE_PART_MAY_INCLUDE = {"core", "framing", "policy", "json", "crypto"}

# No header includes the umbrella. It brings every public header of these rooms that needs nothing but Boost.Asio and
# Boost.System; of the others it may bring what it likes, except `testing`.
UMBRELLA = "portunus.hpp"
UNDER_UMBRELLA = {"core", "framing", "policy", "net"}
VERSION = "version.hpp"
# It brings nothing that needs these: crypto and net/tls_stream are included by those who link portunus::tls, http/gzip by
# those who link portunus::gzip.
OPTIONAL = ("openssl/", "boost/asio/ssl", "zlib.h")

# What compiles the library separately: src.hpp includes the parts under src/, each .ipp file is in exactly one of them,
# and nobody else includes any of these.
SOURCE = "src.hpp"
PARTS = "src"

# What each Boost library, or other dependency, is allowed in: prefix of the include -> (rooms, other headers, reason).
DEPENDENCIES = [
    ("boost/json", {"json", "channel"}, (), "Boost.JSON belongs to json and channel"),
    ("boost/describe", {"json", "channel", "adapters"}, (), "Boost.Describe belongs to json, channel and adapters"),
    ("boost/beast", {"http", "adapters"}, ("net/async_stream",), "Boost.Beast belongs to http"),
    ("boost/asio/ssl", {"crypto"}, ("net/tls_stream",), "OpenSSL belongs to crypto and net/tls_stream"),
    ("openssl/", {"crypto"}, ("net/tls_stream",), "OpenSSL belongs to crypto and net/tls_stream"),
    ("zlib.h", set(), ("http/gzip", "http/websocket_deflate"), "zlib belongs to http/gzip and http/websocket_deflate"),
]
# Headers of single rooms that only one header of another room may include.
GRANTS = {("net", "crypto"): ("net/tls_stream",)}

# core stands on these and on nothing else of Boost (the last three hold little more than macros).
CORE_BOOST = ("boost/asio", "boost/system", "boost/config.hpp", "boost/version.hpp", "boost/assert")

# All that a pure header may take from Asio itself, and all that it may reach through headers of core. Asio's error
# codes are values, not sockets.
ASIO_VALUES = re.compile(r"boost/asio/ip/(address(_v4|_v6)?(_range|_iterator)?|network_v[46])\.hpp$")
ASIO_VALUES_REACHED = re.compile(ASIO_VALUES.pattern + r"|boost/asio/error\.hpp$")

# All that a pure header may take from Beast: names of methods, states and fields.
BEAST_WORDS = re.compile(r"boost/beast/http/(verb|status|field)\.hpp$")

# Headers of the standard library that cost every user of a pure header more than it does itself.
HEAVY = re.compile(r"(regex|iostream|sstream|fstream|iomanip|filesystem|locale|thread|future)$")

# Headers of the system that exist to open, wait for or ask about sockets and files.
SYSTEM_IO = re.compile(
    r"(sys/(socket|epoll|poll|select|ioctl|un|uio|eventfd|timerfd|sendfile)|netinet/.*|arpa/inet|net/if|netdb|ifaddrs"
    r"|poll|unistd|fcntl|termios|linux/.*)\.h$"
)

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(<([^>]*)>|"([^"]*)")', re.MULTILINE)
CO_KEYWORD = re.compile(r"\bco_(await|yield|return)\b")
CLOCK_READ = re.compile(r"::\s*now\s*\(|\b(clock_gettime|gettimeofday|time)\s*\(\s*(NULL|nullptr|0|CLOCK_)")
# Comments and literals, in one pass, because each can contain what looks like the other.
NOISE = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL,
)


def blank(text, keep_includes):
    """The text with comments (and literals) replaced by spaces, so that lines and columns stay where they were."""

    def replace(match):
        found = match.group()
        if keep_includes and not found.startswith(("//", "/*")):
            return found
        return re.sub(r"[^\n]", " ", found)

    # A digit separator is no character literal.
    text = re.sub(r"(?<=[0-9a-fA-F])'(?=[0-9a-fA-F])", "_", text)
    return NOISE.sub(replace, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def belongs_to(name):
    """The headers that a file in impl/ completes: net/impl/a.hpp -> net/a.hpp; net/impl/a.ipp -> these two."""
    if "/impl/" not in name:
        return set()
    owner = name.replace("/impl/", "/", 1)
    if not name.endswith(".ipp"):
        return {owner}
    return {owner[:-len("ipp")] + "hpp", name[:-len("ipp")] + "hpp"}


def completed_by(name):
    """The .ipp files that may stand at the end of this header: net/a.hpp and net/impl/a.hpp -> net/impl/a.ipp."""
    room, _, file = name.rpartition("/")
    return {f"{room}/impl/{file}".replace("/impl/impl/", "/impl/").replace(".hpp", ".ipp")}


class Header:
    def __init__(self, path, root):
        self.name = path.relative_to(root / "portunus").as_posix()  # "net/tcp_listener.hpp"
        self.shown = f"{root.name}/portunus/{self.name}"
        parts = self.name.split("/")
        self.room = parts[0] if len(parts) > 1 else ""
        self.stem = parts[-1].split(".")[0]
        raw = path.read_text(encoding="utf-8")
        self.code = blank(raw, keep_includes=False)
        text = blank(raw, keep_includes=True)
        self.own = []  # (line, "core/error.hpp"): headers of the library
        self.foreign = []  # (line, "boost/asio/...")
        for match in INCLUDE.finditer(text):
            line = line_of(text, match.start())
            target = match.group(2) or match.group(3)
            if target.startswith("portunus/"):
                self.own.append((line, target[len("portunus/"):]))
            elif match.group(3) and (path.parent / target).exists():
                near = (path.parent / target).resolve().relative_to((root / "portunus").resolve())
                self.own.append((line, near.as_posix()))
            else:
                self.foreign.append((line, target))

    def begins(self, names):
        """Is this one of these headers ("net/tls_stream"), or a detail header of theirs?"""
        plain = re.sub(r"/(detail/|impl/)+", "/", self.name)
        return any(re.match(re.escape(name) + r"(_|\.)", plain) for name in names)

    @property
    def pure(self):
        if self.room in PURE_ROOMS:
            return True
        waiting = WAITING.get(self.room)
        if waiting is None:
            return False
        return self.begins(PURE_NEVERTHELESS) or not self.begins([f"{self.room}/{name}" for name in waiting])


def check(root):
    """All breaches as (file, line, rule, text), in the order of files and lines."""
    root = pathlib.Path(root)
    headers = {}
    for path in sorted((root / "portunus").rglob("*")):
        if path.suffix in (".hpp", ".ipp", ".h"):
            header = Header(path, root)
            headers[header.name] = header

    breaches = []
    for header in headers.values():
        say = lambda line, rule, text, header=header: breaches.append((header.shown, line, rule, text))

        if header.name == SOURCE or header.room == PARTS:
            continue
        if header.room and header.room not in ROOMS:
            say(1, "room", f"'{header.room}' is no room of the house: add it to the table of layers.py")
            continue
        if not header.room and header.name not in (UMBRELLA, VERSION):
            say(1, "room", f"only {UMBRELLA}, {SOURCE} and {VERSION} stand outside the rooms")
            continue
        check_own_includes(header, headers, say)
        check_dependencies(header, say)
        if header.pure:
            check_purity(header, headers, say)

    breaches.extend(cycles(headers))
    breaches.extend(left_in_the_rain(headers))
    breaches.extend(costly_umbrella(headers))
    breaches.extend(left_uncompiled(headers))
    return sorted(breaches), len(headers)


def check_own_includes(header, headers, say):
    allowed = set(ROOMS) - {"testing"} if header.name == UMBRELLA else ROOMS.get(header.room, set()) | {header.room}
    if header.room and header.pure and header.room in WAITING:
        allowed = PURE_PART_MAY_INCLUDE | {header.room}
    for line, target in header.own:
        if target not in headers:
            say(line, "missing", f"<portunus/{target}> does not exist")
            continue
        other = headers[target]
        if target == VERSION:
            continue
        if target == SOURCE or other.room == PARTS:
            say(line, "source", f"<portunus/{target}> is for source files: no header includes it")
        elif target.endswith(".ipp") and target not in completed_by(header.name):
            say(line, "source", f"<portunus/{target}> is included by the header that it belongs to and by {PARTS}/ alone")
        elif target == UMBRELLA:
            say(line, "umbrella", "no header includes the umbrella: whoever includes one header would pay for all")
        elif other.room == "testing" and header.room != "testing":
            say(line, "testing", f"the library never includes its test kit (<portunus/{target}>)")
        elif other.room not in allowed:
            if header.begins(GRANTS.get((header.room, other.room), ())):
                continue
            names = ", ".join(sorted(allowed - {header.room})) or "no other room"
            who = f"the pure part of {header.room}" if header.room in WAITING and header.pure else header.room
            say(line, "layer", f"{who} includes {other.room} (<portunus/{target}>); it may include {names}")
        elif header.pure and header.room == other.room and not other.pure:
            say(line, "pure", f"<portunus/{target}> waits, and this header is of the part of {header.room} that does not")


def check_dependencies(header, say):
    for line, target in header.foreign:
        for prefix, rooms, others, reason in DEPENDENCIES:
            if target.startswith(prefix) and header.room not in rooms and not header.begins(others):
                say(line, "dependency", f"<{target}>: {reason}")
                break
        else:
            if header.room == "core" and target.startswith("boost/") and not target.startswith(CORE_BOOST):
                say(line, "dependency", f"<{target}>: core stands on Boost.Asio and Boost.System alone")


def check_purity(header, headers, say):
    for match in CO_KEYWORD.finditer(header.code):
        say(line_of(header.code, match.start()), "pure", f"{match.group()}: this header never waits")
    for match in CLOCK_READ.finditer(header.code):
        say(line_of(header.code, match.start()), "pure", "reads a clock: time is an argument here")
    for line, target in header.foreign:
        if target.startswith("boost/asio") and not target.startswith("boost/asio/ssl") and not ASIO_VALUES.match(target):
            say(line, "pure", f"<{target}>: from Asio a pure header takes the address types and nothing else")
        elif target.startswith("boost/beast") and not BEAST_WORDS.match(target):
            say(line, "pure", f"<{target}>: from Beast a pure header takes verb, status and field, and nothing else")
        elif HEAVY.match(target):
            say(line, "pure", f"<{target}>: too much to compile for a header that computes")
        elif SYSTEM_IO.match(target):
            say(line, "pure", f"<{target}>: a pure header makes no system calls on sockets or files")
    # What comes in through others counts as well: a user of a codec pays for no sockets.
    for line, target in header.own:
        for path in reached_io(target, headers):
            chain = " -> ".join([f"<portunus/{name}>" for name in path[:-1]] + [f"<{path[-1]}>"])
            say(line, "pure", f"reaches what waits: {chain}")
            break


def reached_io(start, headers):
    """Paths from a header of the library to an include that a pure header must not reach."""
    todo, seen = [(start,)], {start}
    while todo:
        path = todo.pop(0)
        header = headers.get(path[-1])
        if header is None or header.room == "testing":
            continue
        for _, target in header.foreign:
            if (target.startswith("boost/asio") and not ASIO_VALUES_REACHED.match(target)) or SYSTEM_IO.match(target):
                if not (header.room == "crypto" and target.startswith("boost/asio/ssl")):
                    yield path + (target,)
        for _, target in header.own:
            if target not in seen:
                seen.add(target)
                todo.append(path + (target,))


def closure(start, headers):
    todo, seen = [start], {start}
    while todo:
        for _, target in headers[todo.pop()].own:
            if target in headers and target not in seen:
                seen.add(target)
                todo.append(target)
    return seen


def left_in_the_rain(headers):
    """Public headers that the umbrella forgot."""
    if UMBRELLA not in headers:
        return []
    covered = closure(UMBRELLA, headers)
    found = []
    for name, header in headers.items():
        if header.room not in UNDER_UMBRELLA or "/detail/" in name or "/impl/" in name or name in covered:
            continue
        foreign = [target for each in closure(name, headers) for _, target in headers[each].foreign]
        if not any(target.startswith(prefix) for target in foreign for prefix, *_ in DEPENDENCIES):
            found.append((headers[UMBRELLA].shown, 1, "umbrella", f"does not bring <portunus/{name}>"))
    return found


def left_uncompiled(headers):
    """What src.hpp and its parts do not compile, or compile twice."""
    found = []
    say = lambda name, line, text: found.append((headers[name].shown, line, "source", text))
    parts = sorted(name for name, header in headers.items() if header.room == PARTS)
    for part in parts:
        for line, target in headers[part].own:
            if target not in headers:
                say(part, line, f"<portunus/{target}> does not exist")
    for name in sorted(headers):
        if not name.endswith(".ipp"):
            continue
        count = sum(target == name for part in parts for _, target in headers[part].own)
        if count != 1:
            say(name, 1, f"stands in {count} files of {PARTS}/: it has to be in one")
    for part in parts:
        if SOURCE not in headers or part not in [target for _, target in headers[SOURCE].own]:
            say(part, 1, f"is not included by {SOURCE}")
    return found


def costly_umbrella(headers):
    """What the umbrella must not bring: OpenSSL and zlib are optional dependencies, which have to be linked as well."""
    found = []
    for line, target in headers[UMBRELLA].own if UMBRELLA in headers else []:
        for name in sorted(closure(target, headers)) if target in headers else []:
            if any(foreign.startswith(OPTIONAL) for _, foreign in headers[name].foreign):
                text = f"brings <portunus/{name}>, which needs OpenSSL or zlib: whoever wants it includes it by itself"
                found.append((headers[UMBRELLA].shown, line, "umbrella", text))
                break
    return found


def cycles(headers):
    """The circles of headers that include each other, each at the include that closes it."""
    found, state, stack = [], {}, []

    def visit(name):
        state[name] = "open"
        stack.append(name)
        for line, target in headers[name].own:
            # A header and its impl/ are one thing in several files that include each other, so that all compile alone.
            if target not in headers or target in belongs_to(name):
                continue
            if state.get(target) == "open":
                circle = stack[stack.index(target):] + [target]
                text = " -> ".join(f"<portunus/{each}>" for each in circle)
                found.append((headers[name].shown, line, "cycle", text))
            elif target not in state:
                visit(target)
        stack.pop()
        state[name] = "done"

    for name in sorted(headers):
        if name not in state:
            visit(name)
    return found


def main(arguments):
    if len(arguments) != 1 or not (pathlib.Path(arguments[0]) / "portunus").is_dir():
        print("usage: layers.py <directory that contains portunus/>", file=sys.stderr)
        return 2
    breaches, count = check(arguments[0])
    for file, line, rule, text in breaches:
        print(f"{file}:{line}: [{rule}] {text}")
    print(f"{count} headers, {len(breaches)} breaches of the layer law")
    return 1 if breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
