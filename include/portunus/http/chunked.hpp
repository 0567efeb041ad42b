// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CHUNKED_HPP
#define PORTUNUS_HTTP_CHUNKED_HPP

#include <portunus/http/refusal.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace portunus::http {

/// What may come beside the bytes of a chunked body, in bytes over the whole body. Both are checked and
/// dropped.
struct chunked_limits {
    std::size_t max_extensions = 4 * 1024;
    std::size_t max_trailers = 4 * 1024;
};

struct chunked_step {
    enum class kind : std::uint8_t {
        more,    ///< everything that was given is consumed; more is needed
        data,    ///< `data` is a piece of the body
        end,     ///< the body is complete; what follows belongs to the next message
        refused, ///< `why()` tells
    };
    kind what = kind::more;
    std::size_t consumed = 0; ///< bytes of what was given that are done with, those of `data` included
    std::string_view data{};  ///< a view into what was given
};

/// Decodes a chunked body (RFC 9112 7.1), strictly: sizes are up to 16 hexadecimal digits, lines end with CR
/// LF, an extension begins with ';', trailers have the form of fields. What the extensions and trailers say
/// is dropped, so they cannot change a head that was judged already.
///
///     for (;;) {
///         const chunked_step step = decoder.next(bytes);
///         bytes.remove_prefix(step.consumed);
///         if (step.what == chunked_step::kind::data) take(step.data);
///         else break;                                                    // more, end or refused
///     }
///
/// Nothing is kept but counters: bytes that were consumed are not needed again. How large the body may become
/// is for the caller to say: `decoded()` tells how much it is, `announced()` how much the current chunk will
/// add.
class chunked_decoder {
  public:
    explicit chunked_decoder(const chunked_limits& limits = {}) noexcept : limits_(limits) {}

    chunked_step next(std::string_view bytes) noexcept;

    /// After `refused`: bytes are counted from the body's first.
    const refused& why() const noexcept { return why_; }
    bool done() const noexcept { return state_ == state::done; }

    /// The bytes of the body that were handed out.
    std::uint64_t decoded() const noexcept { return decoded_; }
    /// What is still to come of the current chunk.
    std::uint64_t announced() const noexcept { return state_ == state::data ? left_ : 0; }

    void reset() noexcept { *this = chunked_decoder(limits_); }

  private:
    enum class state : std::uint8_t {
        size_first, // a digit has to come
        size,
        extension_blank, // blanks behind the size: only ';' may follow
        extension,
        size_lf,
        data,
        data_cr,
        data_lf,
        trailer_first, // of a line
        trailer_name,
        trailer_value,
        trailer_lf,
        last_lf,
        done,
        failed,
    };

    /// One byte that is not data. False when it is wrong.
    bool take(char c) noexcept;
    bool take_size(char c) noexcept;
    bool take_extension(char c) noexcept;
    bool take_trailer(char c) noexcept;
    bool fail(refusal kind, std::uint64_t number) noexcept;
    bool fail(refusal kind, char c) noexcept {
        return fail(kind, std::uint64_t{static_cast<unsigned char>(c)});
    }

    chunked_limits limits_;
    std::uint64_t left_ = 0; // the size that is read, then what is missing of the chunk
    std::uint64_t decoded_ = 0;
    std::uint64_t position_ = 0;
    std::uint64_t extensions_ = 0, trailers_ = 0;
    unsigned digits_ = 0;
    state state_ = state::size_first;
    refused why_{};
};

/// The line before a chunk: its size and CR LF. Behind the chunk's bytes follows `chunk_end`.
class chunk_head {
  public:
    /// \param size not 0, which would end the body: its text is empty.
    explicit chunk_head(std::uint64_t size) noexcept;
    std::string_view text() const noexcept { return {text_.data() + begin_, text_.size() - begin_}; }

  private:
    std::array<char, 18> text_;
    std::size_t begin_ = text_.size();
};

inline constexpr std::string_view chunk_end = "\r\n";
/// Ends a chunked body that has no trailers.
inline constexpr std::string_view last_chunk = "0\r\n\r\n";

} // namespace portunus::http

#include <portunus/http/impl/chunked.hpp>

#endif
