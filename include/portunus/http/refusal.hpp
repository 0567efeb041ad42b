// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_REFUSAL_HPP
#define PORTUNUS_HTTP_REFUSAL_HPP

#include <portunus/core/error.hpp>
#include <portunus/http/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace portunus::http {

/// Why a message was refused before anybody looked at what it wants. A server counts by these.
enum class refusal : std::uint8_t {
    none,

    // not HTTP/1 at all
    tls,   ///< somebody speaks TLS to a port that speaks plain HTTP
    http2, ///< the preface of HTTP/2, to a port that speaks HTTP/1

    // the first line
    malformed_request_line, ///< no method, or nothing behind it
    malformed_method,
    method_too_long, ///< more than 32 bytes
    malformed_target,
    target_too_long, ///< the request line exceeds `max_line`
    malformed_version,
    unsupported_version, ///< well-formed, and neither 1.0 nor 1.1
    malformed_status_line,

    // lines and sizes
    bare_cr,       ///< a CR that no LF follows
    bare_lf,       ///< an LF without its CR
    line_too_long, ///< a field line exceeds `max_line`, or a status line does
    head_too_large,
    too_many_fields,

    // fields
    folded_line, ///< a field line begins with a blank (RFC 9112 5.2)
    space_before_colon,
    malformed_field_name,
    malformed_field_value,
    missing_host,
    repeated_host,
    malformed_host,
    unknown_expectation, ///< Expect with something else than 100-continue

    // how long the body is
    malformed_content_length,
    repeated_content_length,
    content_length_too_large, ///< above 2^63 - 1
    malformed_transfer_encoding,
    repeated_transfer_encoding,
    unknown_transfer_coding,       ///< any but chunked
    chunked_not_final,             ///< another coding behind chunked
    transfer_encoding_with_length, ///< Transfer-Encoding and Content-Length in one head
    transfer_encoding_on_1_0,

    // a chunked body
    malformed_chunk_size,
    chunk_size_too_large, ///< above 2^63 - 1, or more than 16 digits
    malformed_chunk_extension,
    chunk_extensions_too_large,
    malformed_chunk_end, ///< the chunk's bytes are not followed by CR LF
    malformed_trailer,
    trailers_too_large,

    // a multipart body
    malformed_multipart, ///< what stands behind a boundary is neither a part nor the end
    malformed_part_head, ///< a part's fields, or no Content-Disposition with a name
    part_head_too_large,
    preamble_too_large, ///< before the first boundary
    too_many_parts,
    part_too_large,
    form_too_large, ///< all parts together
};

/// How many there are, `none` included: the size of an array of counters.
inline constexpr std::size_t refusal_kinds = static_cast<std::size_t>(refusal::form_too_large) + 1;

/// "bare_lf": the name for a metric's label.
std::string_view to_string(refusal kind) noexcept;

/// A refusal with the numbers of its case. Allocates only when its text is asked for.
struct refused {
    refusal kind = refusal::none;
    std::uint32_t line = 0;   ///< counted from 1; 0 where lines are not counted
    std::uint64_t at = 0;     ///< the byte, counted from the first one of the message's head or body
    std::uint64_t number = 0; ///< the byte that stands there, or the limit that was exceeded

    explicit operator bool() const noexcept { return kind != refusal::none; }
    friend bool operator==(const refused&, const refused&) = default;

    /// The status that a server answers with, before it closes the connection.
    status answer() const noexcept;

    /// "line 3, byte 57: field name with the byte 0x20".
    std::string detail() const;

    /// The same as an error: `errc::frame_too_large` where a limit was exceeded, else
    /// `errc::malformed_frame`.
    error to_error() const;
};

} // namespace portunus::http

#include <portunus/http/impl/refusal.hpp>

#endif
