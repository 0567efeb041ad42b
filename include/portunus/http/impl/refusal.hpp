// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_REFUSAL_HPP
#define PORTUNUS_HTTP_IMPL_REFUSAL_HPP

#include <portunus/http/refusal.hpp>

#include <array>

namespace portunus::http {

namespace detail {

/// What a refusal's number is, and therefore how its text ends.
enum class refusal_number : std::uint8_t { none, byte, limit };

struct refusal_row {
    std::string_view name;
    status answer;
    refusal_number number;
    std::string_view text;
};

inline const refusal_row& row_of(refusal kind) noexcept {
    using n = refusal_number;
    static constexpr auto bad = status::bad_request;
    static constexpr std::array<refusal_row, refusal_kinds> rows{{
        {"none", status::ok, n::none, "not refused"},
        {"tls", bad, n::none, "TLS on a port that speaks plain HTTP: use https only where it is offered"},
        {"http2", status::http_version_not_supported, n::none, "HTTP/2 on a port that speaks HTTP/1.1"},

        {"malformed_request_line", bad, n::byte, "request line without method, target and version"},
        {"malformed_method", bad, n::byte, "method"},
        {"method_too_long", status::not_implemented, n::limit, "method"},
        {"malformed_target", bad, n::byte, "request target"},
        {"target_too_long", status::uri_too_long, n::limit, "request line"},
        {"malformed_version", bad, n::byte, "no version of the form HTTP/1.1 behind the target"},
        {"unsupported_version", status::http_version_not_supported, n::none,
         "a version that is neither HTTP/1.1 nor HTTP/1.0"},
        {"malformed_status_line", bad, n::byte, "status line"},

        {"bare_cr", bad, n::byte, "CR without LF"},
        {"bare_lf", bad, n::none, "LF without CR"},
        {"line_too_long", status::request_header_fields_too_large, n::limit, "line"},
        {"head_too_large", status::request_header_fields_too_large, n::limit, "head"},
        {"too_many_fields", status::request_header_fields_too_large, n::limit, "number of fields"},

        {"folded_line", bad, n::none, "line that begins with a blank"},
        {"space_before_colon", bad, n::none, "blank between field name and colon"},
        {"malformed_field_name", bad, n::byte, "field name"},
        {"malformed_field_value", bad, n::byte, "field value"},
        {"missing_host", bad, n::none, "no Host, which HTTP/1.1 demands"},
        {"repeated_host", bad, n::none, "a second Host"},
        {"malformed_host", bad, n::none, "Host that is not a name or address with an optional port"},
        {"unknown_expectation", status::expectation_failed, n::none, "Expect that is not 100-continue"},

        {"malformed_content_length", bad, n::none, "Content-Length that is not a number"},
        {"repeated_content_length", bad, n::none, "a second Content-Length"},
        {"content_length_too_large", status::payload_too_large, n::limit, "Content-Length"},
        {"malformed_transfer_encoding", bad, n::none, "Transfer-Encoding that is no list of codings"},
        {"repeated_transfer_encoding", bad, n::none, "a second Transfer-Encoding"},
        {"unknown_transfer_coding", status::not_implemented, n::none, "a transfer coding other than chunked"},
        {"chunked_not_final", bad, n::none, "a transfer coding behind chunked"},
        {"transfer_encoding_with_length", bad, n::none, "Transfer-Encoding beside Content-Length"},
        {"transfer_encoding_on_1_0", bad, n::none, "Transfer-Encoding in HTTP/1.0"},

        {"malformed_chunk_size", bad, n::byte, "chunk size"},
        {"chunk_size_too_large", status::payload_too_large, n::limit, "chunk size"},
        {"malformed_chunk_extension", bad, n::byte, "chunk extension"},
        {"chunk_extensions_too_large", bad, n::limit, "all chunk extensions together"},
        {"malformed_chunk_end", bad, n::byte, "no CR LF behind a chunk"},
        {"malformed_trailer", bad, n::byte, "trailer"},
        {"trailers_too_large", status::request_header_fields_too_large, n::limit, "all trailers together"},

        {"malformed_multipart", bad, n::byte, "neither CR LF nor \"--\" behind a boundary"},
        {"malformed_part_head", bad, n::none,
         "fields of a part, one of which has to be Content-Disposition with a name"},
        {"part_head_too_large", status::payload_too_large, n::limit, "fields of a part"},
        {"preamble_too_large", bad, n::limit, "text before the first boundary"},
        {"too_many_parts", status::payload_too_large, n::limit, "number of parts"},
        {"part_too_large", status::payload_too_large, n::limit, "part"},
        {"form_too_large", status::payload_too_large, n::limit, "all parts together"},
    }};
    return rows[static_cast<std::size_t>(kind)];
}

} // namespace detail

inline std::string_view to_string(refusal kind) noexcept {
    return detail::row_of(kind).name;
}

inline status refused::answer() const noexcept {
    return detail::row_of(kind).answer;
}

inline std::string refused::detail() const {
    constexpr char hex[] = "0123456789abcdef";
    const http::detail::refusal_row& row = http::detail::row_of(kind);
    std::string text;
    if (line != 0) text.append("line ").append(std::to_string(line)).append(", ");
    text.append("byte ").append(std::to_string(at)).append(": ").append(row.text);
    if (row.number == http::detail::refusal_number::byte) {
        text.append(" (met 0x").append(1, hex[number >> 4 & 15]).append(1, hex[number & 15]).append(")");
    } else if (row.number == http::detail::refusal_number::limit) {
        text.append(" exceeds ").append(std::to_string(number));
    }
    return text;
}

inline error refused::to_error() const {
    const bool limit = http::detail::row_of(kind).number == http::detail::refusal_number::limit;
    return error(limit ? errc::frame_too_large : errc::malformed_frame, detail());
}

} // namespace portunus::http

#endif
