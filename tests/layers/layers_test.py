#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Tests layers.py on small trees: one that it must accept, and for every rule one that it must refuse."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # the source tree stays as it is
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import layers  # noqa: E402

GOOD = {
    "version.hpp": "#define PORTUNUS_VERSION_MAJOR 0\n",
    "portunus.hpp": "#include <portunus/version.hpp>\n#include <portunus/net/tcp_stream.hpp>\n"
    "#include <portunus/policy/address_rule.hpp>\n#include <portunus/framing/quiet_time.hpp>\n",
    "core/error.hpp": "#include <boost/asio/error.hpp>\n#include <boost/system/error_code.hpp>\n#include <string>\n"
    "#include <portunus/core/impl/error.ipp>\n",
    "core/impl/error.ipp": "#include <portunus/core/error.hpp>\n",
    "src.hpp": "#include <portunus/src/core.hpp>\n",
    "src/core.hpp": "#include <portunus/core/impl/error.ipp>\n",
    "core/awaitable.hpp": "#include <boost/asio/awaitable.hpp>\n#include <boost/config.hpp>\n",
    "framing/line.hpp": "#include <portunus/core/error.hpp>\n#include <cstring>\n",
    "policy/address_rule.hpp": "#include <portunus/core/error.hpp>\n"
    "#include <boost/asio/ip/address.hpp>\n#include <boost/asio/ip/network_v4.hpp>\n",
    "json/parse.hpp": "#include <boost/json/basic_parser_impl.hpp>\n#include <boost/describe.hpp>\n",
    "crypto/hash.hpp": "#include <openssl/evp.h>\n",
    "crypto/tls_engine.hpp": "#include <openssl/ssl.h>\n",
    "net/tcp_stream.hpp": "#include <portunus/core/awaitable.hpp>\n#include <portunus/framing/line.hpp>\n"
    "#include <sys/socket.h>\nvoid f() { co_await g(); }\n",
    "net/tls_stream.hpp": "#include <portunus/crypto/tls_engine.hpp>\n#include <openssl/ssl.h>\n",
    "net/detail/tls_stream_state.hpp": "#include <portunus/crypto/hash.hpp>\n",
    "http/vocabulary.hpp": "#include <boost/beast/http/verb.hpp>\n#include <boost/beast/http/status.hpp>\n"
    "#include <boost/beast/http/field.hpp>\n",
    "http/head.hpp": "#include <portunus/core/error.hpp>\n#include <portunus/http/vocabulary.hpp>\n",
    "http/server.hpp": "#include <portunus/http/head.hpp>\n#include <portunus/net/tcp_stream.hpp>\n"
    "#include <boost/beast/core.hpp>\n",
    "channel/message.hpp": "#include <portunus/json/parse.hpp>\n",
    "channel/channel_server.hpp": "#include <portunus/channel/message.hpp>\n#include <portunus/net/tcp_stream.hpp>\n",
    "adapters/qsys.hpp": "#include <portunus/http/server.hpp>\n#include <portunus/channel/channel_server.hpp>\n",
    "testing/fuse.hpp": "#include <portunus/net/tcp_stream.hpp>\n",
    # What only looks like a breach.
    "framing/quiet_time.hpp": "// co_await steady_clock::now() would be wrong here\n"
    '/* #include <portunus/net/tcp_stream.hpp> */\nauto text = "co_await ::now()";\nint n = 1\'000\'000; // it\'s\n',
}


def run(tree):
    """The breaches of a tree, as (file without the common start, line, rule)."""
    with tempfile.TemporaryDirectory() as directory:
        root = pathlib.Path(directory) / "include"
        for name, text in tree.items():
            path = root / "portunus" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        breaches, _ = layers.check(root)
    return [(file.removeprefix("include/portunus/") if hasattr(file, "removeprefix")
             else file[len("include/portunus/"):], line, rule) for file, line, rule, _ in breaches]


def without_umbrella(tree):
    return {name: text for name, text in tree.items() if name != "portunus.hpp"}


class Layers(unittest.TestCase):
    def test_a_tree_that_keeps_the_law_is_accepted(self):
        self.assertEqual(run(GOOD), [])

    def assert_refused(self, name, text, *expected):
        """GOOD with one header replaced or added: exactly these breaches, each (line, rule) of that header."""
        self.assertEqual(run({**without_umbrella(GOOD), name: text}), [(name, line, rule) for line, rule in expected])

    def test_core_includes_no_higher_room(self):
        for room in ("framing/line", "policy/address_rule", "json/parse", "crypto/hash"):
            self.assert_refused("core/deadline.hpp", f"#include <string>\n#include <portunus/{room}.hpp>\n", (2, "layer"))

    def test_core_takes_only_asio_and_system_from_boost(self):
        self.assert_refused("core/deadline.hpp", "\n\n#include <boost/container/small_vector.hpp>\n", (3, "dependency"))

    def test_framing_does_not_include_its_neighbour(self):
        self.assert_refused("framing/raw.hpp", "#include <portunus/policy/address_rule.hpp>\n", (1, "layer"))

    def test_a_relative_include_counts_as_well(self):
        self.assert_refused("framing/raw.hpp", '#  include "../policy/address_rule.hpp"\n', (1, "layer"))

    def test_framing_includes_no_net(self):
        # Two breaches: the room, and that the header's users would pay for sockets.
        self.assert_refused(
            "framing/raw.hpp", "#include <portunus/net/tcp_stream.hpp>\n", (1, "layer"), (1, "pure")
        )

    def test_a_pure_header_does_not_wait(self):
        self.assert_refused("policy/admission.hpp", "int a;\nauto f() { co_await g(); }\n", (2, "pure"))
        self.assert_refused("framing/raw.hpp", "auto f() {\n\n co_return; }\n", (3, "pure"))
        self.assert_refused("crypto/hmac.hpp", "auto f() { co_yield 1; }\n", (1, "pure"))

    def test_a_pure_header_reads_no_clock(self):
        self.assert_refused("policy/admission.hpp", "auto t = std::chrono::steady_clock::now();\n", (1, "pure"))
        self.assert_refused("policy/admission.hpp", "auto t = time(nullptr);\n", (1, "pure"))

    def test_a_pure_header_takes_only_addresses_from_asio(self):
        for header in ("ip/tcp", "io_context", "buffer", "awaitable", "error"):
            self.assert_refused("policy/admission.hpp", f"#include <boost/asio/{header}.hpp>\n", (1, "pure"))
        self.assert_refused("policy/admission.hpp", "#include <boost/asio.hpp>\n", (1, "pure"))

    def test_a_pure_header_includes_no_socket_headers(self):
        for header in ("sys/socket.h", "netinet/in.h", "net/if.h", "unistd.h", "linux/filter.h"):
            self.assert_refused("policy/admission.hpp", f"#include <{header}>\n", (1, "pure"))

    def test_a_pure_header_does_not_reach_sockets_through_core(self):
        self.assert_refused("framing/raw.hpp", "\n#include <portunus/core/awaitable.hpp>\n", (2, "pure"))

    def test_net_includes_no_crypto_but_in_tls_stream(self):
        self.assert_refused("net/status.hpp", "#include <portunus/crypto/hash.hpp>\n", (1, "layer"))
        self.assert_refused("net/tls_streams.hpp", "#include <portunus/crypto/hash.hpp>\n", (1, "layer"))

    def test_net_includes_neither_http_nor_json(self):
        self.assert_refused("net/status.hpp", "#include <portunus/http/head.hpp>\n", (1, "layer"))
        self.assert_refused("net/status.hpp", "#include <portunus/json/parse.hpp>\n", (1, "layer"))

    def test_http_and_channel_do_not_know_each_other(self):
        self.assert_refused("http/client.hpp", "#include <portunus/channel/message.hpp>\n", (1, "layer"))
        self.assert_refused("channel/channel_client.hpp", "#include <portunus/http/head.hpp>\n", (1, "layer"))

    def test_the_pure_parts_of_http_and_channel_are_pure(self):
        self.assert_refused("http/url.hpp", "#include <portunus/net/tcp_stream.hpp>\n", (1, "layer"), (1, "pure"))
        self.assert_refused("http/url.hpp", "auto f() { co_await g(); }\n", (1, "pure"))
        self.assert_refused("http/url.hpp", "#include <portunus/http/server.hpp>\n", (1, "pure"), (1, "pure"))
        self.assert_refused("channel/dispatch.hpp", "#include <boost/asio/ip/udp.hpp>\n", (1, "pure"))
        self.assert_refused("channel/channel_name.hpp", "auto f() { co_await g(); }\n", (1, "pure"))

    def test_the_part_of_http_that_waits_may_include_net_and_all_of_beast(self):
        for header in ("server", "server_options", "client", "websocket", "detail/connection_state", "impl/server"):
            tree = {**GOOD, f"http/{header}.hpp": "#include <portunus/http/head.hpp>\n#include <portunus/net/tcp_stream.hpp>\n"
                    "#include <boost/beast/websocket.hpp>\nvoid f() { co_await g(); }\n"}
            self.assertEqual(run(without_umbrella(tree)), [])

    def test_a_pure_header_takes_only_words_from_beast(self):
        for header in ("core", "http", "http/fields", "http/basic_parser", "http/message", "core/string", "websocket"):
            self.assert_refused("http/url.hpp", f"\n#include <boost/beast/{header}.hpp>\n", (2, "pure"))
        self.assert_refused("http/impl/head_parser.hpp", "#include <boost/beast/http/parser.hpp>\n", (1, "pure"))

    def test_a_pure_header_includes_nothing_that_takes_long_to_compile(self):
        for header in ("regex", "iostream", "sstream", "filesystem", "thread"):
            self.assert_refused("http/url.hpp", f"#include <{header}>\n", (1, "pure"))
            self.assert_refused("policy/admission.hpp", f"#include <{header}>\n", (1, "pure"))

    def test_the_umbrella_brings_no_openssl(self):
        for header in ("net/tls_stream.hpp", "crypto/tls_engine.hpp"):
            tree = {**GOOD, "portunus.hpp": GOOD["portunus.hpp"] + f"#include <portunus/{header}>\n"}
            self.assertIn("umbrella", [rule for _, _, rule in run(tree)])

    def test_nobody_below_the_adapters_includes_them(self):
        for header in ("core/x", "http/client", "channel/channel_client", "net/status"):
            self.assert_refused(f"{header}.hpp", "#include <portunus/adapters/qsys.hpp>\n", (1, "layer"))

    def test_json_stays_in_its_rooms(self):
        for header in ("core/x", "framing/x", "net/x", "http/x", "adapters/x", "testing/x"):
            self.assert_refused(f"{header}.hpp", "#include <boost/json.hpp>\n", (1, "dependency"))

    def test_openssl_stays_in_its_rooms(self):
        for header in ("core/x", "framing/x", "net/x", "http/x", "channel/x", "adapters/x", "testing/x"):
            self.assert_refused(f"{header}.hpp", "#include <openssl/ssl.h>\n", (1, "dependency"))
            self.assert_refused(f"{header}.hpp", "#include <boost/asio/ssl.hpp>\n", (1, "dependency"))

    def test_beast_stays_out_of_net(self):
        self.assert_refused("net/x.hpp", "#include <boost/beast/core.hpp>\n", (1, "dependency"))

    def test_the_library_never_includes_its_test_kit(self):
        for header in ("core/x", "framing/x", "net/x", "http/client", "adapters/x"):
            self.assertIn((f"{header}.hpp", 1, "testing"), run({**GOOD, f"{header}.hpp": "#include <portunus/testing/fuse.hpp>\n"}))
        umbrella = "#include <portunus/testing/fuse.hpp>\n" + GOOD["portunus.hpp"]
        self.assert_refused("portunus.hpp", umbrella, (1, "testing"))

    def test_nobody_includes_the_umbrella(self):
        self.assertIn(("net/x.hpp", 1, "umbrella"), run({**GOOD, "net/x.hpp": "#include <portunus/portunus.hpp>\n"}))

    def test_the_umbrella_forgets_no_public_header_but_those_with_further_dependencies(self):
        self.assertEqual(run({**GOOD, "net/relay.hpp": "\n"}), [("portunus.hpp", 1, "umbrella")])
        self.assertEqual(run({**GOOD, "net/detail/relay.hpp": "\n", "net/impl/tcp_stream.hpp": "\n"}), [])

    def test_headers_do_not_include_each_other_in_a_circle(self):
        tree = {
            "core/a.hpp": "#include <portunus/core/b.hpp>\n",
            "core/b.hpp": "#include <portunus/core/c.hpp>\n",
            "core/c.hpp": "#include <string>\n#include <portunus/core/a.hpp>\n",
        }
        self.assertEqual(run(tree), [("core/c.hpp", 2, "cycle")])
        self.assertEqual(run({"core/a.hpp": '#include "a.hpp"\n'}), [("core/a.hpp", 1, "cycle")])

    def test_a_header_and_its_impl_may_include_each_other_and_nobody_else(self):
        tree = {
            "core/a.hpp": "\n#include <portunus/core/impl/a.hpp>\n",
            "core/impl/a.hpp": "#include <portunus/core/a.hpp>\n",
        }
        self.assertEqual(run(tree), [])
        tree["core/impl/a.hpp"] += "#include <portunus/core/b.hpp>\n"
        tree["core/b.hpp"] = "#include <portunus/core/a.hpp>\n"
        self.assertEqual(run(tree), [("core/b.hpp", 1, "cycle")])

    def test_a_header_its_impl_and_its_bodies_may_include_each_other(self):
        tree = {
            "core/a.hpp": "#include <portunus/core/impl/a.hpp>\n",
            "core/impl/a.hpp": "#include <portunus/core/a.hpp>\n#include <portunus/core/impl/a.ipp>\n",
            "core/impl/a.ipp": "#include <portunus/core/impl/a.hpp>\n",
            "src.hpp": "#include <portunus/src/core.hpp>\n",
            "src/core.hpp": "#include <portunus/core/impl/a.ipp>\n",
        }
        self.assertEqual(run(tree), [])
        tree["core/impl/a.ipp"] += "#include <portunus/core/b.hpp>\n"
        tree["core/b.hpp"] = "#include <portunus/core/a.hpp>\n"
        self.assertEqual([rule for _, _, rule in run(tree)], ["cycle"])

    def test_bodies_are_included_by_the_header_they_belong_to_and_by_nobody_else(self):
        self.assert_refused("net/x.hpp", "\n#include <portunus/core/impl/error.ipp>\n", (2, "source"))

    def test_bodies_are_compiled_by_exactly_one_part(self):
        self.assertEqual(run({**without_umbrella(GOOD), "src/core.hpp": "\n"}), [("core/impl/error.ipp", 1, "source")])
        twice = {"src.hpp": GOOD["src.hpp"] + "#include <portunus/src/more.hpp>\n", "src/more.hpp": GOOD["src/core.hpp"]}
        self.assertEqual(run({**without_umbrella(GOOD), **twice}), [("core/impl/error.ipp", 1, "source")])

    def test_a_part_is_included_by_src_hpp(self):
        self.assert_refused("src/more.hpp", "\n", (1, "source"))

    def test_no_header_includes_what_is_for_source_files(self):
        self.assert_refused("net/x.hpp", "#include <portunus/src.hpp>\n", (1, "source"))
        self.assert_refused("net/x.hpp", "#include <portunus/src/core.hpp>\n", (1, "source"))

    def test_a_new_room_has_to_be_entered_in_the_table(self):
        self.assert_refused("gadgets/lamp.hpp", "\n", (1, "room"))
        self.assert_refused("everything.hpp", "\n", (1, "room"))

    def test_a_header_that_does_not_exist_is_named(self):
        self.assert_refused("net/x.hpp", "#include <portunus/core/eror.hpp>\n", (1, "missing"))


class Program(unittest.TestCase):
    """What ctest sees: the exit code and the lines."""

    def call(self, *arguments):
        script = pathlib.Path(layers.__file__)
        return subprocess.run([sys.executable, str(script), *arguments], capture_output=True, text=True)

    def test_a_breach_is_printed_with_file_line_and_rule_and_the_exit_code_is_1(self):
        with tempfile.TemporaryDirectory() as directory:
            room = pathlib.Path(directory) / "include" / "portunus" / "framing"
            room.mkdir(parents=True)
            (room / "raw.hpp").write_text("\n#include <boost/asio/ip/tcp.hpp>\n")
            done = self.call(str(room.parent.parent))
        self.assertEqual(done.returncode, 1)
        self.assertIn("include/portunus/framing/raw.hpp:2: [pure] <boost/asio/ip/tcp.hpp>", done.stdout)
        self.assertIn("1 headers, 1 breaches", done.stdout)

    def test_a_clean_tree_ends_with_0(self):
        with tempfile.TemporaryDirectory() as directory:
            room = pathlib.Path(directory) / "portunus" / "core"
            room.mkdir(parents=True)
            (room / "error.hpp").write_text("#include <string>\n")
            self.assertEqual(self.call(directory).returncode, 0)

    def test_a_wrong_directory_is_no_success(self):
        self.assertEqual(self.call("/nonexistent").returncode, 2)
        self.assertEqual(self.call().returncode, 2)


if __name__ == "__main__":
    unittest.main()
