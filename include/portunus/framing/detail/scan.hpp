// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_FRAMING_DETAIL_SCAN_HPP
#define PORTUNUS_FRAMING_DETAIL_SCAN_HPP

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

/// \file
/// The loops in which the time of framing goes. Each exists twice: `portable` works on eight bytes at once in
/// a plain integer, and is tested against a naive loop on every machine; where SSE2 is there (every x86-64),
/// the other one is used. Messages are short, 10 to 100 bytes, so that a call of memchr costs more than the
/// search: the first bytes are searched inline, and only what is longer is handed to the C library, which has
/// wider registers.
///
/// Nothing outside of the given range is read: what is left at the end is covered by a load that overlaps
/// what was searched before, not by one that reaches beyond.

namespace portunus::detail {

namespace portable {

inline std::uint64_t load_eight(const char* from) noexcept {
    std::uint64_t word;
    std::memcpy(&word, from, sizeof word);
    return word;
}

constexpr std::uint64_t repeated(char c) noexcept {
    return 0x0101010101010101u * static_cast<std::uint64_t>(static_cast<unsigned char>(c));
}

/// Whether one of the eight bytes is zero (exact as a yes or no; not as a position).
constexpr bool has_zero(std::uint64_t word) noexcept {
    return ((word - 0x0101010101010101u) & ~word & 0x8080808080808080u) != 0;
}

/// The first `a` or `b` in [from, end), or `end`.
inline const char* find_either(const char* from, const char* end, char a, char b) noexcept {
    const std::uint64_t all_a = repeated(a), all_b = repeated(b);
    while (end - from >= 8) {
        const std::uint64_t word = load_eight(from);
        if (has_zero(word ^ all_a) || has_zero(word ^ all_b)) break;
        from += 8;
    }
    while (from != end && *from != a && *from != b) ++from;
    return from;
}

/// Copies `size` bytes and tells whether neither `a` nor `b` was among them.
inline bool copy_without(const char* from, std::size_t size, char* to, char a, char b) noexcept {
    const std::uint64_t all_a = repeated(a), all_b = repeated(b);
    bool clean = true;
    const auto eight = [&](const char* source, char* target) {
        const std::uint64_t word = load_eight(source);
        clean = clean && !has_zero(word ^ all_a) && !has_zero(word ^ all_b);
        std::memcpy(target, &word, sizeof word);
    };
    if (size >= 8) {
        const std::size_t last = size - 8;
        for (std::size_t i = 0; i < last; i += 8) eight(from + i, to + i);
        eight(from + last, to + last); // overlaps: the same bytes are written again
        return clean;
    }
    for (std::size_t i = 0; i != size; ++i) {
        clean = clean && from[i] != a && from[i] != b;
        to[i] = from[i];
    }
    return clean;
}

/// The first place of `pattern` (not empty) in [from, end), or `end`.
inline const char* find_pattern(const char* from, const char* end, std::string_view pattern) noexcept {
    if (static_cast<std::size_t>(end - from) < pattern.size()) return end;
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    const void* hit = ::memmem(from, static_cast<std::size_t>(end - from), pattern.data(), pattern.size());
    return hit ? static_cast<const char*>(hit) : end;
#else
    const std::size_t at = std::string_view(from, static_cast<std::size_t>(end - from)).find(pattern);
    return at == std::string_view::npos ? end : from + at;
#endif
}

} // namespace portable

inline const char* find_with_memchr(const char* from, const char* end, char c) noexcept {
    const void* hit = std::memchr(from, static_cast<unsigned char>(c), static_cast<std::size_t>(end - from));
    return hit ? static_cast<const char*>(hit) : end;
}

#if defined(__SSE2__)

inline __m128i load_sixteen(const char* from) noexcept {
    return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
}

/// Sixteen times the same byte. By way of a 32-bit number, because g++ 12 stores a single byte to the stack
/// and loads four from there, which the processor cannot forward: that cost 8 ns a message.
inline __m128i sixteen_times(char c) noexcept {
    return _mm_set1_epi32(static_cast<int>(0x01010101u * static_cast<unsigned char>(c)));
}

/// One bit for each of the sixteen bytes that is `a` or `b`.
inline unsigned match_either(__m128i bytes, __m128i a, __m128i b) noexcept {
    return static_cast<unsigned>(
        _mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(bytes, a), _mm_cmpeq_epi8(bytes, b))));
}

/// The first `a` or `b` in [from, end), or `end`. The bytes of [begin, from) may be read, too.
inline const char* find_either(const char* begin, const char* from, const char* end, char a,
                               char b) noexcept {
    const __m128i all_a = sixteen_times(a), all_b = sixteen_times(b);
    while (end - from >= 16) {
        if (const unsigned hits = match_either(load_sixteen(from), all_a, all_b))
            return from + std::countr_zero(hits);
        from += 16;
    }
    if (from == end) return end;
    if (end - begin >= 16) {
        const char* const last = end - 16;
        if (const unsigned hits = match_either(load_sixteen(last), all_a, all_b) >> (from - last))
            return from + std::countr_zero(hits);
        return end;
    }
    return portable::find_either(from, end, a, b);
}

/// The first `c` in [from, end), or `end`.
inline const char* find_byte(const char* from, const char* end, char c) noexcept {
    const __m128i all = sixteen_times(c);
    for (int block = 0; block != 4 && end - from >= 16; ++block) {
        if (const int hits = _mm_movemask_epi8(_mm_cmpeq_epi8(load_sixteen(from), all)))
            return from + std::countr_zero(static_cast<unsigned>(hits));
        from += 16;
    }
    return from == end ? end : find_with_memchr(from, end, c);
}

/// Copies `size` bytes and tells whether neither `a` nor `b` was among them.
inline bool copy_without(const char* from, std::size_t size, char* to, char a, char b) noexcept {
    if (size < 16) return portable::copy_without(from, size, to, a, b);
    const __m128i all_a = sixteen_times(a), all_b = sixteen_times(b);
    __m128i found = _mm_setzero_si128();
    const auto sixteen = [&](const char* source, char* target) {
        const __m128i bytes = load_sixteen(source);
        found = _mm_or_si128(found, _mm_or_si128(_mm_cmpeq_epi8(bytes, all_a), _mm_cmpeq_epi8(bytes, all_b)));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(target), bytes);
    };
    const std::size_t last = size - 16;
    for (std::size_t i = 0; i < last; i += 16) sixteen(from + i, to + i);
    sixteen(from + last, to + last); // overlaps: the same bytes are written again
    return _mm_movemask_epi8(found) == 0;
}

/// The first place of `pattern` (at least two bytes) in [from, end), or `end`. The bytes of [begin, from) may
/// be read, too. Sixteen places at once are compared with the pattern's first and last byte; what passes both
/// is compared in full.
inline const char* find_pattern(const char* begin, const char* from, const char* end,
                                std::string_view pattern) noexcept {
    const std::ptrdiff_t reach = static_cast<std::ptrdiff_t>(pattern.size()) - 1;
    if (end - from <= reach) return end;
    if (end - begin < reach + 16) return portable::find_pattern(from, end, pattern);
    const __m128i all_first = sixteen_times(pattern.front()), all_last = sixteen_times(pattern.back());
    const char* const last = end - reach - 16; // sixteen places fit from here on, no more
    for (;;) {
        const char* const block = from < last ? from : last;
        const __m128i both = _mm_and_si128(_mm_cmpeq_epi8(load_sixteen(block), all_first),
                                           _mm_cmpeq_epi8(load_sixteen(block + reach), all_last));
        unsigned hits = static_cast<unsigned>(_mm_movemask_epi8(both)) >> (from - block) << (from - block);
        for (; hits != 0; hits &= hits - 1) {
            const char* const place = block + std::countr_zero(hits);
            if (reach == 1 ||
                std::memcmp(place + 1, pattern.data() + 1, static_cast<std::size_t>(reach) - 1) == 0)
                return place;
        }
        if (block == last) return end;
        from += 16;
        if (end - from <= reach) return end;
    }
}

#else

inline const char* find_either(const char*, const char* from, const char* end, char a, char b) noexcept {
    return portable::find_either(from, end, a, b);
}
inline const char* find_byte(const char* from, const char* end, char c) noexcept {
    return from == end ? end : find_with_memchr(from, end, c);
}
inline const char* find_pattern(const char*, const char* from, const char* end,
                                std::string_view pattern) noexcept {
    return portable::find_pattern(from, end, pattern);
}
using portable::copy_without;

#endif

/// The same for one byte.
inline bool copy_without(const char* from, std::size_t size, char* to, char c) noexcept {
    return copy_without(from, size, to, c, c);
}

/// memcpy that may be given null when there is nothing to copy.
inline void copy_bytes(char* to, std::string_view bytes) noexcept {
    if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
}

} // namespace portunus::detail

#endif
