// SPDX-License-Identifier: BSL-1.0
// What the tests and the fuzz target of chunked bodies share.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_CHUNKED_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_CHUNKED_SUPPORT_HPP

#include <portunus/http/chunked.hpp>

#include <cstddef>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace http_test {

struct chunked_outcome {
    std::string body{};
    bool ended = false;
    std::uint64_t consumed = 0;
    portunus::http::refused why{};
    bool operator==(const chunked_outcome&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const chunked_outcome& o) {
    out << "\"" << o.body << "\" from " << o.consumed << " bytes, ";
    if (o.ended) return out << "ended";
    return o.why ? out << "refused: " << o.why.detail() : out << "more";
}

inline void must(bool holds, const char* what) {
    if (!holds) throw std::logic_error(what);
}

inline chunked_outcome decode_chunked(std::span<const std::string_view> pieces,
                                      const portunus::http::chunked_limits& limits = {}) {
    using portunus::http::chunked_step;
    portunus::http::chunked_decoder decoder(limits);
    chunked_outcome o;
    for (std::string_view piece : pieces) {
        for (;;) {
            const chunked_step step = decoder.next(piece);
            must(step.consumed <= piece.size(), "more is consumed than there is");
            if (step.what == chunked_step::kind::data) {
                must(!step.data.empty() && step.data.data() >= piece.data() &&
                         step.data.data() + step.data.size() == piece.data() + step.consumed,
                     "the data is not the end of what was consumed");
                o.body += step.data;
            }
            o.consumed += step.consumed;
            must(decoder.decoded() == o.body.size(), "the count of the body is wrong");
            piece.remove_prefix(step.consumed);
            if (step.what == chunked_step::kind::data) continue;
            if (step.what == chunked_step::kind::more)
                must(piece.empty(), "more is wanted before all is consumed");
            if (step.what == chunked_step::kind::end) o.ended = true;
            if (step.what == chunked_step::kind::refused) o.why = decoder.why();
            must(decoder.done() == o.ended, "done() differs from the step");
            break;
        }
        if (o.ended || o.why) {
            must(decoder.next("x").consumed == 0, "bytes are consumed behind the end");
            return o;
        }
    }
    return o;
}
inline chunked_outcome decode_chunked_by_byte(std::string_view bytes,
                                              const portunus::http::chunked_limits& limits = {}) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i != bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
    return decode_chunked(pieces, limits);
}

} // namespace http_test

#endif
