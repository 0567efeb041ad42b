// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CHUNKED_HPP
#define PORTUNUS_HTTP_IMPL_CHUNKED_HPP

#include <portunus/http/chunked.hpp>

#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <limits>

namespace portunus::http {

inline bool chunked_decoder::fail(refusal kind, std::uint64_t number) noexcept {
    why_ = {kind, 0, position_, number};
    state_ = state::failed;
    return false;
}

inline bool chunked_decoder::take_size(char c) noexcept {
    constexpr std::uint64_t most = std::numeric_limits<std::int64_t>::max();
    constexpr unsigned most_digits = 16;
    const int digit = detail::hex_value(c);
    if (digit >= 0) {
        if (digits_ == most_digits || left_ > (most >> 4)) return fail(refusal::chunk_size_too_large, most);
        left_ = left_ << 4 | static_cast<unsigned>(digit);
        ++digits_;
        state_ = state::size;
        return true;
    }
    if (digits_ == 0) return fail(refusal::malformed_chunk_size, c);
    if (c == '\r') {
        state_ = state::size_lf;
        return true;
    }
    if (c != ';' && !detail::is_blank(c)) return fail(refusal::malformed_chunk_size, c);
    state_ = state::extension_blank;
    return take_extension(c);
}

inline bool chunked_decoder::take_extension(char c) noexcept {
    if (c == '\r' && state_ == state::extension) {
        state_ = state::size_lf;
        return true;
    }
    const bool fits =
        state_ == state::extension ? detail::is_of(detail::class_value, c) : c == ';' || detail::is_blank(c);
    if (!fits) return fail(refusal::malformed_chunk_extension, c);
    if (c == ';') state_ = state::extension;
    if (++extensions_ > limits_.max_extensions)
        return fail(refusal::chunk_extensions_too_large, std::uint64_t(limits_.max_extensions));
    return true;
}

inline bool chunked_decoder::take_trailer(char c) noexcept {
    if (state_ == state::trailer_first && c == '\r') {
        state_ = state::last_lf;
        return true;
    }
    if (++trailers_ > limits_.max_trailers)
        return fail(refusal::trailers_too_large, std::uint64_t(limits_.max_trailers));
    switch (state_) {
    case state::trailer_first:
    case state::trailer_name:
        if (detail::is_of(detail::class_token, c))
            state_ = state::trailer_name;
        else if (c == ':' && state_ == state::trailer_name)
            state_ = state::trailer_value;
        else
            return fail(refusal::malformed_trailer, c);
        return true;
    case state::trailer_value:
        if (c == '\r')
            state_ = state::trailer_lf;
        else if (!detail::is_of(detail::class_value, c))
            return fail(refusal::malformed_trailer, c);
        return true;
    default: // trailer_lf
        if (c != '\n') return fail(refusal::malformed_trailer, c);
        state_ = state::trailer_first;
        return true;
    }
}

inline bool chunked_decoder::take(char c) noexcept {
    switch (state_) {
    case state::size_first:
    case state::size:
        return take_size(c);
    case state::extension_blank:
    case state::extension:
        return take_extension(c);
    case state::size_lf:
        if (c != '\n') return fail(refusal::malformed_chunk_size, c);
        state_ = left_ == 0 ? state::trailer_first : state::data;
        return true;
    case state::data_cr:
        if (c != '\r') return fail(refusal::malformed_chunk_end, c);
        state_ = state::data_lf;
        return true;
    case state::data_lf:
        if (c != '\n') return fail(refusal::malformed_chunk_end, c);
        state_ = state::size_first;
        digits_ = 0;
        return true;
    case state::trailer_first:
    case state::trailer_name:
    case state::trailer_value:
    case state::trailer_lf:
        return take_trailer(c);
    case state::last_lf:
        if (c != '\n') return fail(refusal::malformed_trailer, c);
        state_ = state::done;
        return true;
    case state::data:
    case state::done:
    case state::failed:
        break;
    }
    return false;
}

inline chunked_step chunked_decoder::next(std::string_view bytes) noexcept {
    std::size_t i = 0;
    for (;;) {
        if (state_ == state::failed) return {chunked_step::kind::refused, i, {}};
        if (state_ == state::done) return {chunked_step::kind::end, i, {}};
        if (i == bytes.size()) return {chunked_step::kind::more, i, {}};
        if (state_ == state::data) {
            const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left_, bytes.size() - i));
            left_ -= size;
            decoded_ += size;
            position_ += size;
            if (left_ == 0) state_ = state::data_cr;
            return {chunked_step::kind::data, i + size, bytes.substr(i, size)};
        }
        if (!take(bytes[i])) continue;
        ++i;
        ++position_;
    }
}

inline chunk_head::chunk_head(std::uint64_t size) noexcept {
    constexpr char hex[] = "0123456789abcdef";
    if (size == 0) return;
    text_[--begin_] = '\n';
    text_[--begin_] = '\r';
    for (; size != 0; size >>= 4) text_[--begin_] = hex[size & 15];
}

} // namespace portunus::http

#endif
