// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_MULTIPART_HPP
#define PORTUNUS_HTTP_MULTIPART_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>
#include <portunus/http/refusal.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace portunus::http {

/// In bytes, but for `max_parts`.
struct multipart_limits {
    std::size_t max_parts = 100;
    std::size_t max_part_head =
        4 * 1024; ///< all fields of one part; also what may stand before the first boundary
    std::uint64_t max_part = 1024 * 1024;  ///< the content of one part
    std::uint64_t max_total = 1024 * 1024; ///< the contents of all parts
};

/// What the head of a part says. Views into the bytes that were given.
struct multipart_part {
    /// As it stands between the quotes. Browsers write a quote as %22, others as \": `unescaped` for the
    /// latter.
    std::string_view name{};
    /// Nothing where the part is no file; empty when a file was not chosen. What the client says: see
    /// `safe_file_name`.
    std::optional<std::string_view> file_name{};
    std::string_view content_type{}; ///< empty where the part names none
};

/// The text with \" and \\ as what they stand for.
std::string unescaped(std::string_view raw);

/// The last component of a name that a client gave, whichever slashes it uses; empty where that is no name
/// for a file: "",
/// ".", "..", or with control characters.
std::string_view safe_file_name(std::string_view name) noexcept;

struct multipart_step {
    enum class kind : std::uint8_t {
        more,     ///< keep what is not consumed, append what comes, and call again
        part,     ///< a part begins: `part`
        data,     ///< `data` is a piece of its content
        part_end, ///< the part is complete
        end,      ///< the form is complete; what follows is of no interest and is consumed
        refused,  ///< `why()` tells
    };
    kind what = kind::more;
    std::size_t consumed =
        0; ///< to be removed from the front of what was given, when the step's views are done with
    multipart_part part{};
    std::string_view data{};
};

/// Reads a multipart/form-data body as it comes (RFC 7578, RFC 2046 5.1), into pieces that are views.
///
///     multipart_parser parser = multipart_parser::from_content_type(*content_type).value();
///     for (;;) {
///         const multipart_step step = parser.next(bytes);       // all that is there and not consumed
///         if (step.what == multipart_step::kind::more) ...      // consume, then read behind the rest
///         ...
///         bytes.remove_prefix(step.consumed);
///     }
///
/// At most `max_part_head` bytes, or a boundary, have to be kept unconsumed. How content is cut into pieces
/// depends on how the bytes come, everything else does not. A body that ends before `end` is truncated: the
/// caller knows when it ends.
class multipart_parser {
  public:
    /// \param boundary 1 to 70 characters of RFC 2046, no blank at the end. Throws `failure` where `open`
    /// returns the error.
    explicit multipart_parser(std::string_view boundary, const multipart_limits& limits = {});

    /// `errc::malformed_frame` for what cannot be a boundary.
    static result<multipart_parser> open(std::string_view boundary, const multipart_limits& limits = {});

    /// From "multipart/form-data; boundary=...". `errc::malformed_frame` for anything else.
    static result<multipart_parser> from_content_type(std::string_view content_type,
                                                      const multipart_limits& limits = {});

    multipart_step next(std::string_view bytes);

    /// After `refused`; bytes are counted from the body's first.
    const refused& why() const noexcept { return why_; }
    bool done() const noexcept { return state_ == state::done; }
    std::size_t parts() const noexcept { return parts_; }

  private:
    enum class state : std::uint8_t {
        begin,    // the body's first bytes: a boundary may stand here without its CR LF
        preamble, // before the first boundary
        boundary, // behind a boundary
        dash,     // behind the first '-' of the end
        padding,  // blanks behind a boundary
        line_end, // behind the CR that ends a boundary's line
        head,
        content,
        done,
        failed,
    };
    static constexpr std::size_t max_padding = 64;

    struct unchecked {};
    multipart_parser(unchecked, std::string_view boundary, const multipart_limits& limits)
        : limits_(limits), delimiter_("\r\n--" + std::string(boundary)) {}

    multipart_step step(multipart_step::kind what, std::size_t consumed) noexcept;
    multipart_step refuse(std::uint64_t at, refusal kind, std::uint64_t number = 0) noexcept;
    multipart_step after_boundary(std::string_view bytes);
    multipart_step read_preamble(std::string_view bytes);
    multipart_step read_head(std::string_view bytes);
    multipart_step read_content(std::string_view bytes);
    bool read_fields(std::string_view head, multipart_part& part) const;
    /// Where the delimiter begins, or may begin when more has come.
    std::size_t find_delimiter(std::string_view bytes, bool& whole) const noexcept;

    multipart_limits limits_;
    std::string delimiter_;
    std::uint64_t position_ = 0; // of the first byte that is not consumed
    std::uint64_t part_size_ = 0, total_ = 0;
    std::size_t parts_ = 0;
    std::size_t searched_ = 0; // of a part's head
    std::size_t padding_ = 0;
    state state_ = state::begin;
    refused why_{};
};

} // namespace portunus::http

#include <portunus/http/impl/multipart.hpp>

#endif
