// SPDX-License-Identifier: BSL-1.0
// What the tests and fuzz targets of heads share: feeding a parser in pieces, and one text for all that came
// of it.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_HEAD_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_HEAD_SUPPORT_HPP

#include <portunus/http/head_parser.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <memory>
#include <ostream>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace http_test {

namespace http = portunus::http;
using http::head_limits;
using http::head_step;
using http::refusal;
using http::refused;

inline void demand(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

/// What a head came to.
struct verdict {
    head_step::kind what = head_step::kind::more;
    std::size_t size = 0;
    refused why{};
    std::string said{}; ///< everything that the head tells
    bool operator==(const verdict&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const verdict& v) {
    switch (v.what) {
    case head_step::kind::more:
        return out << "more";
    case head_step::kind::complete:
        return out << "complete, " << v.size << " bytes: " << v.said;
    case head_step::kind::refused:
        break;
    }
    return out << "refused as " << to_string(v.why.kind) << ": " << v.why.detail();
}

inline void tell_fields(std::string& text, const http::message_head& head) {
    text.append(head.version() == http::http_version::v1_1 ? " 1.1" : " 1.0");
    if (const auto length = head.content_length()) text.append(" length=").append(std::to_string(*length));
    if (head.chunked()) text += " chunked";
    if (head.keep_alive()) text += " keep-alive";
    if (head.upgrade()) text += " upgrade";
    for (const http::field_view f : head) {
        text.append("\n[").append(f.name).append("]=[").append(f.value).append("]");
        demand(head.contains(f.name), "a field is not found by its name");
    }
}
inline std::string tell(const http::request_head& head) {
    std::string text(head.method_text());
    constexpr const char* forms[] = {" origin ", " absolute ", " authority ", " asterisk "};
    text.append(forms[static_cast<int>(head.form())]).append(head.target());
    text.append(" path=").append(head.path()).append(" query=").append(head.query());
    text.append(" host=").append(head.host()).append(" name=").append(head.host_name());
    text.append(" port=").append(std::to_string(head.port()));
    if (head.secure_target()) text += " secure";
    if (head.expect_continue()) text += " expect";
    if (head.has_body()) text += " body";
    tell_fields(text, head);
    return text;
}
inline std::string tell(const http::response_head& head) {
    std::string text = std::to_string(head.status_code()).append(" ").append(head.reason());
    tell_fields(text, head);
    for (const http::verb v : {http::verb::get, http::verb::head, http::verb::connect})
        text.append(" ").append(std::to_string(static_cast<int>(head.body(v))));
    return text;
}

/// Feeds all that has come so far, each time in new memory of exactly its size, as a growing buffer would.
template <class Parser>
verdict read_head(std::span<const std::string_view> pieces, const head_limits& limits = {},
                  std::size_t room = 100) {
    std::vector<http::field_slot> slots(room);
    Parser parser(slots, limits);
    std::string so_far;
    std::unique_ptr<char[]> memory(new char[0]);
    verdict v;
    for (const std::string_view piece : pieces) {
        so_far += piece;
        memory.reset(new char[so_far.size()]);
        if (!so_far.empty()) std::memcpy(memory.get(), so_far.data(), so_far.size());
        const std::string_view bytes(memory.get(), so_far.size());
        const head_step step = parser.feed(bytes);
        v.what = step.what;
        if (step.what == head_step::kind::more) continue;
        if (step.what == head_step::kind::refused) {
            v.why = parser.why();
            demand(v.why.kind != refusal::none, "a refusal without a reason");
            demand(!v.why.detail().empty() && v.why.to_error().code().failed(), "a refusal without a text");
            demand(static_cast<unsigned>(v.why.answer()) >= 400, "a refusal without a status");
            demand(parser.feed(bytes).what == head_step::kind::refused, "a refusal is not final");
        } else {
            v.size = step.size;
            demand(step.size <= so_far.size(), "a head is longer than what was fed");
            v.said = tell(parser.head());
            // The bytes move once more, and the head goes with them.
            const std::unique_ptr<char[]> moved(new char[step.size]);
            std::memcpy(moved.get(), bytes.data(), step.size);
            std::memset(memory.get(), '?', so_far.size());
            parser.rebase(moved.get());
            demand(v.said == tell(parser.head()), "a head does not survive that its bytes move");
        }
        return v;
    }
    return v;
}
template <class Parser>
verdict read_head(std::string_view bytes, const head_limits& limits = {}, std::size_t room = 100) {
    return read_head<Parser>(std::span(&bytes, 1), limits, room);
}

/// By the byte, and beginnings of the input, each to a new parser: all have to come to the same, and at the
/// same byte. \param stride which beginnings: every, every second, ...; those around the byte that decides
/// always.
template <class Parser>
verdict read_head_every_way(std::string_view bytes, const head_limits& limits = {}, std::size_t room = 100,
                            std::size_t stride = 1) {
    const verdict whole = read_head<Parser>(bytes, limits, room);
    std::vector<http::field_slot> slots(room);
    Parser growing(slots, limits);
    std::size_t decided = bytes.size() + 1;
    for (std::size_t size = 0; size <= bytes.size() && decided > bytes.size(); ++size)
        if (growing.feed(bytes.substr(0, size)).what != head_step::kind::more) decided = size;
    if (decided <= bytes.size()) {
        demand((whole.what == head_step::kind::refused) == static_cast<bool>(growing.why()) &&
                   whole.why == growing.why(),
               "by the byte differs from whole");
        if (whole.what == head_step::kind::complete)
            demand(tell(growing.head()) == whole.said, "by the byte tells something else than whole");
    } else {
        demand(whole.what == head_step::kind::more, "by the byte differs from whole");
    }
    for (std::size_t size = 0; size <= bytes.size(); ++size) {
        if (size % stride != 0 && size != decided && size + 1 != decided) continue;
        const std::string exact(bytes.substr(0, size));
        const verdict v = read_head<Parser>(exact, limits, room);
        demand((v.what == head_step::kind::more) == (size < decided),
               "the moment depends on how the bytes come");
        if (size >= decided) demand(v == whole, "a beginning comes to something else");
    }
    return whole;
}

/// A few steps that turn a good head into something else, always the same for the same seed.
inline std::string mutated(std::string bytes, std::mt19937& random) {
    static constexpr std::string_view telling[] = {
        "\r",   "\n",      "\r\n",  "\t",      " ", ":",        std::string_view("\0", 1),
        "\x7f", "\x80",    "\x16",  ",",       ";", "#",        "*",
        "/",    "http://", "[::1]", "chunked", "5", "HTTP/1.0", "\r\n\r\n"};
    const auto below = [&random](std::size_t n) { return n == 0 ? 0 : random() % n; };
    for (std::size_t steps = 1 + below(3); steps != 0; --steps) {
        const std::size_t at = below(bytes.size() + 1);
        switch (below(4)) {
        case 0:
            bytes.insert(at, telling[below(std::size(telling))]);
            break;
        case 1:
            bytes.erase(at, 1 + below(3));
            break;
        case 2:
            if (at < bytes.size()) bytes[at] = static_cast<char>(random());
            break;
        default: { // a piece twice, or a line somewhere else
            const std::string piece = bytes.substr(at, below(40));
            bytes.insert(below(bytes.size() + 1), piece);
            break;
        }
        }
    }
    return bytes;
}

} // namespace http_test

#endif
