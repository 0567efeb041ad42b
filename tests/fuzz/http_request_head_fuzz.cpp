// SPDX-License-Identifier: BSL-1.0
// Any bytes as the head of a request: byte 0 chooses limits, the rest comes whole, by the byte, and as each
// of its beginnings. A head that was accepted keeps what a server relies on.
#include "../unit/http/head_support.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace http_test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::size_t tight = data[0] % 4;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1,
                                 std::min<std::size_t>(size - 1, 400));
    head_limits limits;
    if (tight == 1) limits = {.max_head = 64, .max_line = 8192, .max_fields = 100};
    if (tight == 2) limits = {.max_head = 16384, .max_line = 32, .max_fields = 100};
    if (tight == 3) limits = {.max_head = 100, .max_line = 40, .max_fields = 2};
    const verdict v = read_head_every_way<http::request_parser>(bytes, limits, 30, 1 + bytes.size() / 16);
    if (v.what != head_step::kind::complete) return 0;

    demand(bytes.substr(0, v.size).ends_with("\r\n\r\n"), "a head does not end with an empty line");
    demand(bytes.find('\0') >= v.size, "a head contains a NUL");
    demand(bytes.substr(0, v.size).find("\n ") == std::string_view::npos, "a head contains a folded line");
    std::vector<http::field_slot> slots(30);
    http::request_parser parser(slots, limits);
    parser.feed(bytes);
    const http::request_head& head = parser.head();
    std::size_t hosts = 0, lengths = 0, encodings = 0;
    for (const http::field_view f : head) {
        hosts += http::detail::same_word(f.name, "host");
        lengths += http::detail::same_word(f.name, "content-length");
        encodings += http::detail::same_word(f.name, "transfer-encoding");
    }
    demand(hosts <= 1 && (hosts == 1 || head.version() == http::http_version::v1_0), "not one host");
    demand(lengths + encodings <= 1, "more than one field says how long the body is");
    demand(head.chunked() == (encodings == 1) && head.content_length().has_value() == (lengths == 1),
           "the length of the body was overlooked");
    demand(head.form() != http::target_form::origin || head.target().front() == '/',
           "an origin form without slash");
    return 0;
}
