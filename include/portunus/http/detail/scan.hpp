// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_SCAN_HPP
#define PORTUNUS_HTTP_DETAIL_SCAN_HPP

#include <portunus/framing/detail/scan.hpp>
#include <portunus/http/detail/characters.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

/// \file
/// The loops in which the time of parsing a head goes: sixteen bytes at once where SSE2 is there, a table
/// elsewhere. Both exist on every machine and are tested against each other. Nothing outside of [begin, end)
/// is read.

namespace portunus::http::detail {

namespace portable {

template <std::uint8_t Class>
const char* find_end(const char* from, const char* end) noexcept {
    while (end - from >= 4) {
        if (!is_of(Class, from[0])) return from;
        if (!is_of(Class, from[1])) return from + 1;
        if (!is_of(Class, from[2])) return from + 2;
        if (!is_of(Class, from[3])) return from + 3;
        from += 4;
    }
    while (from != end && is_of(Class, *from)) ++from;
    return from;
}

/// The first byte that no field name contains, or `end`.
inline const char* find_name_end(const char* from, const char* end) noexcept {
    return find_end<class_token>(from, end);
}
/// The first byte that no field value contains, or `end`.
inline const char* find_value_end(const char* from, const char* end) noexcept {
    return find_end<class_value>(from, end);
}
/// The first byte that no request target contains, or `end`.
inline const char* find_target_end(const char* from, const char* end) noexcept {
    return find_end<class_target>(from, end);
}

/// The first byte that is neither letter, digit, '-' nor '.', or `end`: what most host names are made of.
inline const char* find_plain_end(const char* from, const char* end) noexcept {
    while (from != end && (is_alpha(*from) || is_digit(*from) || *from == '-' || *from == '.')) ++from;
    return from;
}

} // namespace portable

#if defined(__SSE2__)

using portunus::detail::load_sixteen;
using portunus::detail::sixteen_times;

/// The first byte of [from, end) for which `wrong` has a bit in its mask of sixteen, or `end`. The bytes of
/// [begin, from) may be read, too: what is left at the end is covered by a load that overlaps what was
/// searched before. `by_byte` does the same where there are not even sixteen.
template <class Wrong, class ByByte>
[[gnu::always_inline]] inline const char* find_wrong(const char* begin, const char* from, const char* end,
                                                     Wrong wrong, ByByte by_byte) noexcept {
    while (end - from >= 16) {
        if (const unsigned hits = wrong(load_sixteen(from))) return from + std::countr_zero(hits);
        from += 16;
    }
    if (from == end) return end;
    if (end - begin < 16) return by_byte(from, end);
    const char* const last = end - 16;
    const unsigned hits = wrong(load_sixteen(last)) >> (from - last);
    return hits != 0 ? from + std::countr_zero(hits) : end;
}

/// All ones for each byte from `first` to `first` + `width`.
[[gnu::always_inline]] inline __m128i within(__m128i bytes, char first, char width) noexcept {
    const __m128i above = _mm_sub_epi8(bytes, sixteen_times(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(above, sixteen_times(width)), above);
}
[[gnu::always_inline]] inline __m128i letters(__m128i bytes) noexcept {
    return within(_mm_or_si128(bytes, sixteen_times(0x20)), 'a', 25);
}
[[gnu::always_inline]] inline unsigned mask_of(__m128i bytes) noexcept {
    return static_cast<unsigned>(_mm_movemask_epi8(bytes));
}

/// Most names are letters and dashes; these are told sixteen at once, any other byte by the table.
[[gnu::always_inline]] inline const char* find_name_end(const char* begin, const char* from,
                                                        const char* end) noexcept {
    const auto other = [](__m128i bytes) {
        return mask_of(_mm_or_si128(letters(bytes), _mm_cmpeq_epi8(bytes, sixteen_times('-')))) ^ 0xffffu;
    };
    const char* const p = find_wrong(begin, from, end, other, portable::find_name_end);
    if (p == end || *p == ':' || !is_of(class_token, *p)) return p;
    return portable::find_name_end(p + 1, end);
}

/// One bit for each of sixteen bytes that no field value contains, and for tabs, which it may.
[[gnu::always_inline]] inline unsigned controls(const char* from) noexcept {
    const __m128i bytes = load_sixteen(from);
    return mask_of(_mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, sixteen_times(0x1f)), bytes),
                                _mm_cmpeq_epi8(bytes, sixteen_times(0x7f))));
}

inline const char* find_value_end(const char* begin, const char* from, const char* end) noexcept {
    const auto wrong = [](__m128i bytes) {
        return mask_of(_mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(bytes, sixteen_times(0x1f)), bytes),
                                    _mm_cmpeq_epi8(bytes, sixteen_times(0x7f))));
    };
    for (;;) {
        from = find_wrong(begin, from, end, wrong, portable::find_value_end);
        if (from == end || *from != '\t') return from;
        ++from;
    }
}

inline const char* find_target_end(const char* begin, const char* from, const char* end) noexcept {
    const auto wrong = [](__m128i bytes) {
        const __m128i hash = _mm_cmpeq_epi8(bytes, sixteen_times('#'));
        return mask_of(_mm_andnot_si128(hash, within(bytes, 0x21, 0x7e - 0x21))) ^ 0xffffu;
    };
    return find_wrong(begin, from, end, wrong, portable::find_target_end);
}

inline const char* find_plain_end(const char* begin, const char* from, const char* end) noexcept {
    const auto wrong = [](__m128i bytes) {
        const __m128i slash = _mm_cmpeq_epi8(bytes, sixteen_times('/'));
        const __m128i plain = _mm_andnot_si128(slash, within(bytes, '-', '9' - '-'));
        return mask_of(_mm_or_si128(letters(bytes), plain)) ^ 0xffffu;
    };
    return find_wrong(begin, from, end, wrong, portable::find_plain_end);
}

/// Finds the ends of field values, one after the other. What ends them is looked for in 64 bytes at once and
/// kept as 64 bits, so that short values cost no loop of their own.
class value_ends {
  public:
    /// From `from` on. The bytes of [begin, from) may be read, too.
    value_ends(const char* begin, const char* from, const char* end) noexcept
        : begin_(begin), block_(from), end_(end) {
        if (from < end) load();
    }

    /// The next byte that no value contains, a tab included, or `end`. `line` is where the current line
    /// begins: no byte before it is found again.
    [[gnu::always_inline]] const char* next(const char* line) noexcept {
        while (found_ == 0) {
            if (end_ - block_ <= 64) return end_;
            block_ += 64;
            load();
            if (line > block_) found_ &= ~std::uint64_t(0) << (line - block_);
        }
        at_ = static_cast<unsigned>(std::countr_zero(found_));
        return block_ + at_;
    }
    /// The byte that was found is a part of the value.
    void pass() noexcept { found_ &= found_ - 1; }
    /// It was a CR, and an LF follows. Where that is in the next 64, `next` leaves it out.
    void pass_line_end() noexcept { found_ &= ~(std::uint64_t(3) << at_); }

  private:
    [[gnu::always_inline]] void load() noexcept {
        found_ = end_ - block_ < 64 ? rest(begin_, block_, end_) : whole(block_);
    }

    [[gnu::always_inline]] static std::uint64_t whole(const char* block) noexcept {
        const auto low = std::uint64_t(controls(block)) | std::uint64_t(controls(block + 16)) << 16;
        return low | std::uint64_t(controls(block + 32)) << 32 | std::uint64_t(controls(block + 48)) << 48;
    }
    /// Fewer than 64 bytes; the place behind them counts as found.
    [[gnu::noinline]] static std::uint64_t rest(const char* begin, const char* block,
                                                const char* end) noexcept {
        const auto size = static_cast<unsigned>(end - block);
        std::uint64_t found = std::uint64_t(1) << size;
        unsigned i = 0;
        for (; i + 16 <= size; i += 16) found |= std::uint64_t(controls(block + i)) << i;
        if (i == size) return found;
        if (end - begin >= 16) return found | std::uint64_t(controls(end - 16) >> (16 - (size - i))) << i;
        for (; i != size; ++i)
            if (!is_of(class_value, block[i])) found |= std::uint64_t(1) << i;
        return found;
    }

    const char* begin_;
    const char* block_;
    const char* end_;
    std::uint64_t found_ = 0;
    unsigned at_ = 0;
};

#else

class value_ends {
  public:
    value_ends(const char*, const char* from, const char* end) noexcept : from_(from), end_(end) {}
    const char* next(const char* line) noexcept {
        if (from_ < line) from_ = line;
        return from_ = portable::find_value_end(from_, end_);
    }
    void pass() noexcept { ++from_; }
    void pass_line_end() noexcept { from_ += 2; }

  private:
    const char* from_;
    const char* end_;
};

inline const char* find_name_end(const char*, const char* from, const char* end) noexcept {
    return portable::find_name_end(from, end);
}
inline const char* find_value_end(const char*, const char* from, const char* end) noexcept {
    return portable::find_value_end(from, end);
}
inline const char* find_target_end(const char*, const char* from, const char* end) noexcept {
    return portable::find_target_end(from, end);
}
inline const char* find_plain_end(const char*, const char* from, const char* end) noexcept {
    return portable::find_plain_end(from, end);
}

#endif

inline std::uint64_t load_eight(const char* from) noexcept {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}
inline std::uint32_t load_four(const char* from) noexcept {
    std::uint32_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

/// Whether `name` is `word`, which has the same length, is in lower case, and consists of letters and dashes.
/// `name` is known to be a token or a field value: bit 0x20 is all that can differ.
template <std::size_t Size>
bool is_name(const char* name, const char (&word)[Size]) noexcept {
    constexpr std::size_t size = Size - 1;
    static_assert(size >= 4);
    constexpr std::uint64_t bits = 0x2020202020202020u;
    if constexpr (size >= 8) {
        for (std::size_t i = 0; i + 8 <= size; i += 8)
            if ((load_eight(name + i) | bits) != load_eight(word + i)) return false;
        return (load_eight(name + size - 8) | bits) == load_eight(word + size - 8);
    } else {
        constexpr auto half = static_cast<std::uint32_t>(bits);
        return (load_four(name) | half) == load_four(word) &&
               (load_four(name + size - 4) | half) == load_four(word + size - 4);
    }
}

} // namespace portunus::http::detail

#endif
