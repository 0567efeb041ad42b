// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_DETAIL_CURSOR_HPP
#define PORTUNUS_JSON_DETAIL_CURSOR_HPP

#include <portunus/core/detail/config.hpp>
#include <portunus/json/detail/trouble.hpp>
#include <portunus/json/detail/utf8.hpp>
#include <portunus/json/limits.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace portunus::json::detail {

/// A number as it stands in the text. `mantissa` and `exponent` say the same when `exact`.
struct number {
    const char* begin = nullptr;
    const char* end = nullptr;
    std::uint64_t mantissa = 0;
    int exponent = 0;      ///< of ten
    bool negative = false; ///< with a minus, even if it is -0
    bool integral = true;  ///< neither fraction nor exponent
    bool exact = true;     ///< the mantissa holds all digits

    std::string_view text() const noexcept { return {begin, static_cast<std::size_t>(end - begin)}; }
};

/// A place in a JSON text, and what can stand there (RFC 8259). Whoever knows what is expected asks for it;
/// so there is no tree, no event and no buffer between the text and where its values go.
///
/// Each of these returns false when the text is different, and says in `trouble` why. It looks at each byte
/// once, at none behind the end, and accepts nothing that is not JSON: a value that was passed is valid,
/// escapes and UTF-8 included.
class cursor {
  public:
    explicit cursor(std::string_view text, unsigned depth = max_depth) noexcept
        : at_(text.data()), end_(text.data() + text.size()), begin_(text.data()), depth_left_(depth) {}

    /// The next byte that is no white space; 0 at the end. (A 0 in the text is no JSON either.)
    [[gnu::always_inline]] char next() noexcept {
        while (at_ != end_) {
            const char c = *at_;
            if (static_cast<unsigned char>(c) > ' ') return c;
            if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return '\x01';
            ++at_;
        }
        return '\0';
    }
    bool take(char c) noexcept {
        if (next() != c) return false;
        ++at_;
        return true;
    }
    const char* at() const noexcept { return at_; }

    // Containers: if (!open('{', ...)) ...; if (!take('}')) do { ... } while (more('}')); if (!closed()) ...

    bool open(char bracket, const char* expected) {
        if (next() != bracket) [[unlikely]]
            return mismatch(expected);
        if (depth_left_ == 0) [[unlikely]]
            return too_deep();
        --depth_left_;
        ++at_;
        return true;
    }
    /// Behind an element: true behind a comma. Otherwise `closed` tells whether that was the end or a
    /// failure.
    bool more(char bracket) {
        const char c = next();
        if (c == ',') [[likely]] {
            ++at_;
            return true;
        }
        if (c == bracket)
            ++at_;
        else
            unexpected(bracket == '}' ? "',' or '}'" : "',' or ']'");
        return false;
    }
    bool closed() noexcept {
        ++depth_left_;
        return !trouble_.any();
    }

    /// A key that is written exactly so, without escapes, with its colon right behind it. Moves only then;
    /// `key` takes every other form.
    template <std::size_t Size>
    bool key_is(const char* name) noexcept {
        if (next() != '"' || static_cast<std::size_t>(end_ - at_) < Size + 3 || at_[Size + 1] != '"' ||
            at_[Size + 2] != ':' || std::memcmp(at_ + 1, name, Size) != 0)
            return false;
        at_ += Size + 3;
        return true;
    }
    /// Any key and its colon. The key is what it means, not as it is written; valid until the next call.
    PORTUNUS_DECL bool key(std::string_view& name);

    bool string(std::string& out) {
        if (next() != '"') [[unlikely]]
            return mismatch("a string");
        const char* const from = at_ + 1;
        const char* const to = plain_end(from, end_);
        if (to == end_ || *to != '"') [[unlikely]]
            return difficult_string(out);
        out.assign(from, static_cast<std::size_t>(to - from));
        at_ = to + 1;
        return true;
    }
    /// The same without a copy: what it means is a view into the text, or into the cursor where it has
    /// escapes.
    PORTUNUS_DECL bool string_view(std::string_view& out);

    bool boolean(bool& out) {
        const char c = next();
        if (c == 't' && literal("true")) return out = true, true;
        if (c == 'f' && literal("false")) return out = false, true;
        return mismatch("true or false");
    }
    /// null, or nothing and no failure.
    bool null() noexcept { return next() == 'n' && literal("null"); }

    bool numeric(number& out) {
        const char c = next();
        if (c != '-' && static_cast<unsigned char>(c - '0') > 9) [[unlikely]]
            return mismatch("a number");
        const char* p = at_;
        out.begin = p;
        out.exponent = 0;
        out.integral = true;
        out.negative = c == '-';
        if (out.negative) ++p;
        const char* const digits = p;
        std::uint64_t mantissa = 0;
        const auto run = [&] {
            for (; p != end_ && static_cast<unsigned char>(*p - '0') <= 9; ++p)
                mantissa = mantissa * 10 + static_cast<unsigned char>(*p - '0');
        };
        run();
        if (p == digits || (*digits == '0' && p - digits > 1)) [[unlikely]]
            return bad_number(p == digits ? p : digits + 1);
        std::ptrdiff_t count = p - digits;
        if (p != end_ && (*p == '.' || (*p | 0x20) == 'e')) {
            out.integral = false;
            if (*p == '.') {
                const char* const fraction = ++p;
                run();
                if (p == fraction) [[unlikely]]
                    return bad_number(p);
                count += p - fraction;
                out.exponent = -static_cast<int>(p - fraction < 100000 ? p - fraction : 100000);
            }
            if (p != end_ && (*p | 0x20) == 'e' && !exponent(p, out)) [[unlikely]]
                return false;
        }
        out.exact = count <= std::numeric_limits<std::uint64_t>::digits10;
        out.mantissa = mantissa;
        out.end = at_ = p;
        return true;
    }

    /// Any value: its text is from where `next` stood to `at`.
    PORTUNUS_DECL bool skip();

    /// Nothing but white space is left.
    bool finished() {
        if (next() == '\0' && at_ == end_) [[likely]]
            return true;
        return unexpected("the end");
    }

    detail::trouble& trouble() noexcept { return trouble_; }
    const detail::trouble& trouble() const noexcept { return trouble_; }

    /// "expected ..., found a string", or where it is no value at all "expected ... at byte 17, found ..."
    PORTUNUS_DECL bool mismatch(const char* expected);
    PORTUNUS_DECL bool unexpected(const char* expected);

  private:
    bool literal(std::string_view word) noexcept {
        if (static_cast<std::size_t>(end_ - at_) < word.size() ||
            std::memcmp(at_, word.data(), word.size()) != 0)
            return false;
        at_ += word.size();
        return true;
    }
    [[gnu::always_inline]] bool skip_plain_string() {
        const char* const to = plain_end(at_ + 1, end_);
        if (to == end_ || *to != '"') [[unlikely]]
            return skip_string(to);
        at_ = to + 1;
        return true;
    }
    PORTUNUS_DECL bool skip_string(const char* p); // from the first byte on that is not plain
    PORTUNUS_DECL bool escape(const char*& p);
    PORTUNUS_DECL bool difficult_string(std::string& out);
    PORTUNUS_DECL bool exponent(const char*& p, number& out);
    PORTUNUS_DECL bool bad_number(const char* p);
    PORTUNUS_DECL bool too_deep();

    const char* at_;
    const char* end_;
    const char* begin_;
    unsigned depth_left_;
    detail::trouble trouble_;
    std::string unescaped_;
};

} // namespace portunus::json::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/json/detail/impl/cursor.ipp>
#endif

#endif
