// SPDX-License-Identifier: BSL-1.0
// Any bytes as a WebSocket: byte 0 chooses the end and the limit, the rest comes whole, by the byte and in
// pieces, with and without messages that are put aside.
#include "../unit/http/websocket_support.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

using namespace websocket_test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const websocket_role role = data[0] % 2 == 0 ? websocket_role::server : websocket_role::client;
    const std::size_t most = data[0] < 128 ? 1 << 16 : data[0] % 16;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::string whole = decode(std::span(&bytes, 1), role, most);
    std::vector<std::string_view> single, pieces;
    for (std::size_t i = 0; i != bytes.size(); ++i) single.push_back(bytes.substr(i, 1));
    for (std::size_t at = 0, step = 1 + data[0] % 11; at < bytes.size(); at += step)
        pieces.push_back(bytes.substr(at, step));
    demand(decode(single, role, most) == whole, "by the byte differs from whole");
    demand(decode(pieces, role, most, true) == whole, "in pieces, put aside, differs from whole");

    // What we write of these bytes is read by the other end as it was.
    std::string out;
    const http::websocket_mask mask{data[0], 1, 2, 3};
    append_frame(out, websocket_opcode::binary, bytes, role == websocket_role::client ? &mask : nullptr);
    const websocket_role other =
        role == websocket_role::client ? websocket_role::server : websocket_role::client;
    demand(decode(out, other, bytes.size()) == "binary[" + std::string(bytes) + "] ", "a frame changed");
    return 0;
}
