// SPDX-License-Identifier: BSL-1.0
// What the tests and the fuzz target of compressed texts share.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_GZIP_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_GZIP_SUPPORT_HPP

#include <portunus/http/gzip.hpp>

#include <algorithm>
#include <cstddef>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace http_test {

struct gunzip_outcome {
    std::string text{};
    boost::system::error_code why{};
    bool operator==(const gunzip_outcome&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const gunzip_outcome& o) {
    return out << '"' << o.text << "\", " << o.why.message();
}

/// Decodes pieces into a room of `room` bytes at a time.
inline gunzip_outcome gunzip(std::span<const std::string_view> pieces, portunus::http::gzip_decoder& decoder,
                             std::size_t room = 4096) {
    gunzip_outcome o;
    std::vector<char> out(room);
    for (std::string_view piece : pieces) {
        for (;;) {
            const auto step = decoder.next(piece, out);
            if (!step) {
                o.why = step.error().code();
                o.text.clear(); // how much came out before it depends on the cuts
                const auto again = decoder.next("x", out);
                if (!again.has_error() || again.error().code() != o.why)
                    throw std::logic_error("an error is forgotten");
                return o;
            }
            if (step->consumed > piece.size() || step->produced > room)
                throw std::logic_error("more than there is");
            o.text.append(out.data(), step->produced);
            piece.remove_prefix(step->consumed);
            if (decoder.decoded() != o.text.size()) throw std::logic_error("the count is wrong");
            if (piece.empty() && step->produced != room) break;
        }
    }
    const auto end = decoder.finish();
    if (!end) o.why = end.error().code();
    return o;
}

inline gunzip_outcome gunzip(std::string_view bytes,
                             portunus::http::compression form = portunus::http::compression::gzip,
                             const portunus::http::gunzip_limits& limits = {}, std::size_t room = 4096) {
    portunus::http::gzip_decoder decoder(form, limits);
    return gunzip(std::span(&bytes, 1), decoder, room);
}

} // namespace http_test

#endif
