// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_HEAD_PARSER_HPP
#define PORTUNUS_HTTP_HEAD_PARSER_HPP

#include <portunus/http/detail/host.hpp>
#include <portunus/http/head.hpp>
#include <portunus/http/refusal.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace portunus::http {

/// How much a head may be. All in bytes, line ends included.
struct head_limits {
    std::size_t max_head = 16 * 1024; ///< up to 1 GiB
    std::size_t max_line = 8 * 1024;  ///< the request line, the status line, or one field
    std::size_t max_fields = 100;
};

/// A method that is longer is answered with 501.
inline constexpr std::size_t max_method = 32;

/// What feeding a parser came to.
struct head_step {
    enum class kind : std::uint8_t {
        more,     ///< the head is not complete
        complete, ///< `size` bytes of what was fed are the head; the body begins behind them
        refused,  ///< `why()` tells; nothing that follows can be understood
    };
    kind what = kind::more;
    std::size_t size = 0;
};

namespace detail {

/// What the two parsers share: lines, fields, limits.
class head_reader {
  public:
    const refused& why() const noexcept { return why_; }

  protected:
    head_reader(std::span<field_slot> slots, const head_limits& limits) noexcept;

    void restart() noexcept;

    /// Looks for the end of a line that was seen in part before. False: it has still not come.
    [[gnu::cold]] bool line_may_be_complete(std::string_view bytes) noexcept;
    /// How far the line may reach: to the end of what is there, or to a limit.
    const char* stop_of(std::string_view bytes) const noexcept;
    bool at_limit(const char* base, const char* stop) const noexcept;

    /// The line is not complete; refused where it reaches a limit.
    [[gnu::cold]] head_step wait(const char* base, const char* stop, refusal too_long) noexcept;
    /// Something at `where` is wrong. Said when the line is complete, so that it does not depend on how the
    /// bytes came.
    [[gnu::cold]] head_step settle(const char* base, const char* stop, const char* where, refusal kind,
                                   refusal too_long, std::uint64_t number = 0) noexcept;
    [[gnu::cold]] head_step settle_byte(const char* base, const char* stop, const char* where, refusal kind,
                                        refusal too_long) noexcept {
        return settle(base, stop, where, kind, too_long, static_cast<unsigned char>(*where));
    }
    [[gnu::cold]] head_step refuse(std::size_t at, refusal kind, std::uint64_t number = 0) noexcept;

    void next_line(const char* base, const char* p) noexcept {
        line_ = searched_ = static_cast<std::uint32_t>(p - base);
        ++line_number_;
    }

    /// Reads field lines up to the empty one. Host and Expect mean something in a request only.
    head_step read_fields(std::string_view bytes, message_head& head, bool request) noexcept;
    [[gnu::cold]] head_step odd_line(const char* base, const char* stop) noexcept;
    refusal take_field(message_head& head, const char* base, const field_slot& field, bool request) noexcept;
    refusal take_host(request_head& head, const char* base, std::string_view value) noexcept;
    refusal take_content_length(message_head& head, std::string_view value) noexcept;
    [[gnu::cold]] refusal take_transfer_encoding(message_head& head, std::string_view value) noexcept;
    [[gnu::cold]] static refusal take_expect(message_head& head, std::string_view value) noexcept;
    static refusal read_content_length(head_facts& facts, std::string_view value) noexcept;
    [[gnu::cold]] static refusal read_transfer_encoding(message_head& head, std::string_view value) noexcept;
    static void read_connection(head_facts& facts, std::string_view value) noexcept;

    enum class stage : std::uint8_t { start, first_line, fields, done, refused };

    field_slot* slots_;
    std::uint32_t max_head_, max_line_, max_fields_;
    std::uint32_t count_ = 0;
    std::uint32_t line_ = 0;        // where the current line begins
    std::uint32_t searched_ = 0;    // up to here the current line has no LF
    std::uint32_t line_number_ = 1; // without the fields
    stage stage_ = stage::start;
    bool has_transfer_encoding_ = false;
    bool has_host_ = false;
    refused why_{};
};

} // namespace detail

/// Reads the head of a request, strictly (RFC 9112, RFC 9110), from bytes that stay in the caller's buffer.
///
///     std::array<field_slot, 100> slots;
///     request_parser parser(slots);
///     for (;;) {
///         const head_step step = parser.feed(buffer);       // all that has come of this request so far
///         if (step.what == head_step::kind::complete) return use(parser.head(), buffer.substr(step.size));
///         if (step.what == head_step::kind::refused) return answer(parser.why());
///         read_more(buffer);
///     }
///
/// - What is fed always begins with the first byte of the request; it may have moved in memory in between.
///   Bytes behind the head do not matter. One CR LF before the request is skipped and counts as a part of
///   the head.
/// - The verdict, its byte and the moment at which it is given do not depend on how the bytes were split: at
///   the end of the line that is wrong, at a limit, or at the first byte where that tells enough.
/// - What is refused, and with which status, stands at `refusal`. Bytes from 0x80 on are allowed in field
///   values (RFC 9110 5.5) and nowhere else; empty lists and blanks at the end of a value are fine.
/// - Allocates nothing and keeps nothing but offsets: 160 bytes and the slots that it was given.
///
/// Semantics rows X-8, T-37 to T-40: where those read "up to the first CRLF", this one checks.
class request_parser : public detail::head_reader {
  public:
    /// The number of slots bounds the number of fields where it is below `max_fields`.
    explicit request_parser(std::span<field_slot> slots, const head_limits& limits = {}) noexcept
        : head_reader(slots, limits) {}

    head_step feed(std::string_view bytes) noexcept;

    /// After `complete`. Its views refer to the bytes that were fed last.
    const request_head& head() const noexcept { return head_; }
    /// The head's bytes have moved.
    void rebase(const char* begin) noexcept { head_.base_ = begin; }

    /// For the next request of the connection.
    void reset() noexcept {
        restart();
        head_.facts_ = {};
        head_.path_ = head_.host_ = {};
        head_.port_ = 0;
        head_.secure_ = false;
    }

  private:
    [[gnu::cold]] head_step begin(std::string_view bytes) noexcept;
    head_step read_request_line(std::string_view bytes) noexcept;
    [[gnu::cold]] refusal read_target(std::string_view target, std::size_t& at) noexcept;

    request_head head_{};
};

/// Reads the head of a response as strictly, for the client. No blank line is skipped before it; the blank
/// behind the status code may be absent where there is no reason.
class response_parser : public detail::head_reader {
  public:
    explicit response_parser(std::span<field_slot> slots, const head_limits& limits = {}) noexcept
        : head_reader(slots, limits) {}

    head_step feed(std::string_view bytes) noexcept;
    const response_head& head() const noexcept { return head_; }
    void rebase(const char* begin) noexcept { head_.base_ = begin; }
    void reset() noexcept {
        restart();
        head_.facts_ = {};
        head_.reason_ = {};
    }

  private:
    head_step read_status_line(std::string_view bytes) noexcept;

    response_head head_{};
};

} // namespace portunus::http

#include <portunus/http/impl/head_parser.hpp>

#endif
