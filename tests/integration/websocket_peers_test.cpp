// SPDX-License-Identifier: BSL-1.0
// WebSockets with a stranger: Python's websockets, as client and as server. Debian has it as
// python3-websockets.
#include <portunus/http/websocket.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/http/server_support.hpp"

#include <portunus/http/websocket_client.hpp>
#include <portunus/http/websocket_handler.hpp>
#include <portunus/testing/run.hpp>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using http::websocket_code;
using portunus::errc;

namespace {

constexpr const char* interpreter = "/usr/bin/python3"; // the system's, which has Debian's packages

child_process python(const std::string& program, std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {"-c", program});
    return child_process(interpreter, std::move(arguments));
}
bool has_websockets() {
    return ::access(interpreter, X_OK) == 0 &&
           python("import websockets, websockets.exceptions").wait().code == 0;
}
constexpr const char* missing = "/usr/bin/python3 has no module websockets (Debian: python3-websockets)";

awaitable<void> echo(http::websocket socket) {
    for (;;) {
        auto message = co_await socket.read();
        if (!message) co_return;
        if (message->is_text) {
            auto sent = co_await socket.write(message->data);
            if (!sent) co_return;
        } else {
            auto sent = co_await socket.write_binary(message->data);
            if (!sent) co_return;
        }
    }
}

} // namespace

TEST_CASE("Python's websockets gets every message back from our server, whole, in fragments and with pings") {
    if (!has_websockets()) PORTUNUS_SKIP(missing);
    http::websocket_handler_options options;
    options.rules.subprotocols = {"echo"};
    options.socket.max_message = 100'000;
    house h(http::websocket_handler(std::move(options), &echo));
    auto client = python(R"(
import asyncio, sys, websockets
async def main():
    url = f"ws://127.0.0.1:{sys.argv[1]}/"
    # It offers permessage-deflate, which is not taken.
    async with websockets.connect(url, subprotocols=["other", "echo"], max_size=None) as peer:
        print("chosen", peer.subprotocol, flush=True)
        same = True
        for size in 0, 1, 125, 126, 127, 65535, 65536, 100000:
            for message in "t" * size, b"\xff" * size:
                await peer.send(message)
                same = same and await peer.recv() == message
        print("same", same, flush=True)
        await peer.send(["in ", "", "several ", "frames \u20ac"])
        print("joined", await peer.recv() == "in several frames \u20ac", flush=True)
        for i in range(500):
            await peer.send(str(i))
        print("order", [int(await peer.recv()) for i in range(500)] == list(range(500)), flush=True)
        await (await peer.ping(b"are you there?"))
        print("pong yes", flush=True)
        await peer.close(4001, "enough")
        print("closed", peer.close_code, flush=True)
    async with websockets.connect(url, max_size=None) as peer:
        try:
            await peer.send(b"x" * 100001)
            await peer.recv()
        except websockets.exceptions.ConnectionClosed as e:
            print("refused", e.rcvd.code, flush=True)
    try:
        await websockets.connect(url, origin="http://elsewhere.example")
    except websockets.exceptions.InvalidStatusCode as e:
        print("stranger", e.status_code, flush=True)
asyncio.run(main())
)",
                         {std::to_string(h.server.endpoints().front().port())});
    CHECK(client.line_after("chosen ") == "echo");
    CHECK(client.line_after("same ") == "True");
    CHECK(client.line_after("joined ") == "True");
    CHECK(client.line_after("order ") == "True");
    CHECK(client.line_after("pong ") == "yes");
    CHECK(client.line_after("closed ") == "4001");
    CHECK(client.line_after("refused ") == "1009");
    CHECK(client.line_after("stranger ") == "403");
    CHECK(client.wait().code == 0);
    CHECK(h.runs.stop() == 0);
}

TEST_CASE("our client speaks with a server of Python's websockets, which closes first") {
    if (!has_websockets()) PORTUNUS_SKIP(missing);
    auto server = python(R"(
import asyncio, http, websockets
async def main():
    async def session(peer):
        if peer.path == "/refused":
            return
        async for message in peer:
            if message == "bye":
                await peer.close(1001, "leaving")
            else:
                await peer.send(message)
    async def refuse(path, headers):
        if path == "/refused":
            return http.HTTPStatus.FORBIDDEN, [], b"not for " + headers["X-Who"].encode()
    done = asyncio.Event()
    async with websockets.serve(session, "127.0.0.1", 0, subprotocols=["b"], process_request=refuse,
                                max_size=None, ping_interval=0.05) as door:
        print("port", door.sockets[0].getsockname()[1], flush=True)
        await asyncio.sleep(60)
asyncio.run(main())
)");
    const std::string base = "ws://127.0.0.1:" + server.line_after("port ");
    portunus::testing::run([&]() -> awaitable<void> {
        http::websocket_client_options options;
        options.offer("a").offer("b").add("X-Who", "you");
        const std::string url = base + "/echo", closed_door = base + "/refused";
        auto socket = co_await http::connect_websocket(url, options);
        REQUIRE(socket.has_value());
        CHECK(socket->subprotocol() == "b");
        for (const std::size_t size : {0u, 125u, 126u, 65535u, 65536u, 1u << 20}) {
            const std::string payload(size, 'c');
            auto sent = co_await socket->write(payload);
            CHECK(sent);
            auto back = co_await socket->read();
            REQUIRE(back.has_value());
            CHECK((back->is_text && back->data == payload));
        }
        auto took = co_await socket->ping();
        CHECK(took.has_value());
        auto sent = co_await socket->write("bye");
        CHECK(sent);
        auto end = co_await socket->read();
        CHECK(end.error() == errc::end_of_stream);
        CHECK(socket->close_code() == websocket_code::going_away);
        CHECK(socket->close_text() == "leaving");
        auto closed = co_await socket->close();
        CHECK(closed);
        auto refused = co_await http::connect_websocket(closed_door, options);
        REQUIRE_FALSE(refused.has_value());
        CHECK(refused.error() == errc::remote_error);
        CHECK_THAT(std::string(refused.error().detail()), Contains("403") && Contains("not for you"));
    });
}
