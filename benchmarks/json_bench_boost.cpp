// SPDX-License-Identifier: BSL-1.0
#include "json_bench.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/src.hpp>

#include <array>
#include <cstddef>

namespace json_bench {
namespace {

namespace json = boost::json;

/// Knows which member comes next and nothing else: no duplicates, no paths, no missing members. So it does
/// less than what it is compared with.
struct handler {
    static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
    static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

    enum class field { none, status, service_id, data_id, data, room, celsius, ok };

    envelope* into = nullptr;
    field at = field::none;
    unsigned depth = 0;
    unsigned seen = 0;

    bool on_document_begin(json::error_code&) { return true; }
    bool on_document_end(json::error_code&) { return true; }
    bool on_object_begin(json::error_code& ec) { return ++depth <= 2 || no(ec); }
    bool on_object_end(std::size_t, json::error_code&) { return --depth, true; }
    bool on_array_begin(json::error_code& ec) { return no(ec); }
    bool on_array_end(std::size_t, json::error_code&) { return true; }
    bool on_key_part(json::string_view, std::size_t, json::error_code&) { return true; }
    bool on_key(json::string_view name, std::size_t, json::error_code& ec) {
        if (depth == 1)
            at = name == "status"       ? field::status
                 : name == "service_id" ? field::service_id
                 : name == "data_id"    ? field::data_id
                 : name == "data"       ? field::data
                                        : field::none;
        else
            at = name == "room"      ? field::room
                 : name == "celsius" ? field::celsius
                 : name == "ok"      ? field::ok
                                     : field::none;
        return at != field::none || no(ec);
    }
    bool on_string_part(json::string_view part, std::size_t, json::error_code&) {
        into->data.room.append(part.data(), part.size());
        return true;
    }
    bool on_string(json::string_view part, std::size_t total, json::error_code& ec) {
        if (at != field::room) return no(ec);
        if (part.size() == total)
            into->data.room.assign(part.data(), part.size());
        else
            into->data.room.append(part.data(), part.size());
        return true;
    }
    bool on_number_part(json::string_view, json::error_code&) { return true; }
    bool on_int64(std::int64_t value, json::string_view, json::error_code& ec) {
        if (at == field::celsius) return into->data.celsius = static_cast<double>(value), true;
        if (value < 0 || value > 0xffffffff) return no(ec);
        const auto number = static_cast<std::uint32_t>(value);
        switch (at) {
        case field::status:
            into->status = number;
            return true;
        case field::service_id:
            into->service_id = number;
            return true;
        case field::data_id:
            into->data_id = number;
            return true;
        default:
            return no(ec);
        }
    }
    bool on_uint64(std::uint64_t, json::string_view, json::error_code& ec) { return no(ec); }
    bool on_double(double value, json::string_view, json::error_code& ec) {
        if (at != field::celsius) return no(ec);
        into->data.celsius = value;
        return true;
    }
    bool on_bool(bool value, json::error_code& ec) {
        if (at != field::ok) return no(ec);
        into->data.ok = value;
        return true;
    }
    bool on_null(json::error_code& ec) { return no(ec); }
    bool on_comment_part(json::string_view, json::error_code&) { return true; }
    bool on_comment(json::string_view, json::error_code&) { return true; }

    static bool no(json::error_code& ec) {
        ec = json::error::syntax;
        return false;
    }
};

} // namespace

bool boost_sax(std::string_view text, envelope& into) {
    static json::basic_parser<handler> parser{json::parse_options()};
    parser.reset();
    parser.handler() = handler{};
    parser.handler().into = &into;
    json::error_code ec;
    const std::size_t used = parser.write_some(false, text.data(), text.size(), ec);
    return !ec && used == text.size();
}

} // namespace json_bench
