// SPDX-License-Identifier: BSL-1.0
// What the tests and the fuzz target of multipart bodies share.
#ifndef PORTUNUS_TESTS_UNIT_HTTP_MULTIPART_SUPPORT_HPP
#define PORTUNUS_TESTS_UNIT_HTTP_MULTIPART_SUPPORT_HPP

#include <portunus/http/multipart.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <ostream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace http_test {

struct form_outcome {
    std::string said{}; ///< parts with their contents
    bool ended = false;
    portunus::http::refused why{};
    bool operator==(const form_outcome&) const = default;
};
inline std::ostream& operator<<(std::ostream& out, const form_outcome& o) {
    out << o.said;
    if (o.ended) return out << " ended";
    return o.why ? out << " refused: " << o.why.detail() : out << " more";
}

/// Gives the parser what has come and is not consumed, in memory of exactly its size.
inline form_outcome read_form(std::span<const std::string_view> pieces, std::string_view boundary,
                              const portunus::http::multipart_limits& limits = {}) {
    using kind = portunus::http::multipart_step::kind;
    portunus::http::multipart_parser parser(boundary, limits);
    form_outcome o;
    std::string kept;
    const auto ensure = [](bool holds, const char* what) {
        if (!holds) throw std::logic_error(what);
    };
    for (const std::string_view piece : pieces) {
        kept += piece;
        for (;;) {
            const std::unique_ptr<char[]> memory(new char[kept.size()]);
            if (!kept.empty()) std::memcpy(memory.get(), kept.data(), kept.size());
            const std::string_view bytes(memory.get(), kept.size());
            const portunus::http::multipart_step step = parser.next(bytes);
            ensure(step.consumed <= bytes.size(), "more is consumed than there is");
            if (step.what == kind::part) {
                o.said.append("{").append(step.part.name);
                if (step.part.file_name) o.said.append(" file ").append(*step.part.file_name);
                if (!step.part.content_type.empty()) o.said.append(" type ").append(step.part.content_type);
                o.said += ":";
            }
            if (step.what == kind::data) {
                ensure(!step.data.empty() && step.data.data() >= bytes.data() &&
                           step.data.data() + step.data.size() <= bytes.data() + step.consumed,
                       "data is not within what was consumed");
                o.said += step.data;
            }
            if (step.what == kind::part_end) o.said += "}";
            kept.erase(0, step.consumed);
            if (step.what == kind::end) o.ended = true;
            if (step.what == kind::refused) o.why = parser.why();
            if (o.ended || o.why) return o;
            if (step.what != kind::more) continue;
            ensure(kept.size() <= limits.max_part_head + boundary.size() + 4,
                   "more is kept than was promised");
            break;
        }
    }
    return o;
}
inline form_outcome read_form_by_byte(std::string_view bytes, std::string_view boundary,
                                      const portunus::http::multipart_limits& limits = {}) {
    std::vector<std::string_view> pieces;
    for (std::size_t i = 0; i != bytes.size(); ++i) pieces.push_back(bytes.substr(i, 1));
    return read_form(pieces, boundary, limits);
}

} // namespace http_test

#endif
