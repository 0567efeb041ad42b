// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_JSON_DETAIL_IMPL_CURSOR_IPP
#define PORTUNUS_JSON_DETAIL_IMPL_CURSOR_IPP

#include <portunus/json/detail/cursor.hpp>

#include <algorithm>

namespace portunus::json::detail {

/// What stands at a place, in words.
PORTUNUS_DECL std::string found_at(const char* p, const char* end) {
    if (p == end) return "the end";
    switch (*p) {
    case '"':
        return "a string";
    case '{':
        return "an object";
    case '[':
        return "an array";
    default:
        break;
    }
    const std::string_view rest(p, static_cast<std::size_t>(end - p));
    for (const std::string_view word : {"true", "false", "null"})
        if (rest.starts_with(word)) return std::string(word);
    if (*p == '-' || (*p >= '0' && *p <= '9')) return "a number";
    return shown(rest.substr(0, 1));
}

PORTUNUS_DECL bool cursor::mismatch(const char* expected) {
    const char c = next();
    const bool is_value = c == '"' || c == '{' || c == '[' || c == '-' || (c >= '0' && c <= '9') ||
                          found_at(at_, end_).find('"') == std::string::npos;
    if (!is_value || at_ == end_) return unexpected(expected);
    return trouble_.is(
        std::string("expected ").append(expected).append(", found ").append(found_at(at_, end_)));
}

PORTUNUS_DECL bool cursor::unexpected(const char* expected) {
    next();
    return trouble_.is(std::string("expected ")
                           .append(expected)
                           .append(" at byte ")
                           .append(std::to_string(at_ - begin_))
                           .append(", found ")
                           .append(found_at(at_, end_)));
}

PORTUNUS_DECL bool cursor::too_deep() {
    return trouble_.is("nested deeper than " + std::to_string(max_depth) + " levels at byte " +
                       std::to_string(at_ - begin_));
}

PORTUNUS_DECL bool cursor::bad_number(const char* p) {
    at_ = p;
    return unexpected(p != begin_ && p[-1] == '0' && p != end_ && *p >= '0' && *p <= '9'
                          ? "no digit behind a leading zero"
                          : "a digit");
}

PORTUNUS_DECL bool cursor::exponent(const char*& p, number& out) {
    ++p;
    const bool negative = p != end_ && *p == '-';
    if (p != end_ && (*p == '-' || *p == '+')) ++p;
    const char* const digits = p;
    int value = 0;
    for (; p != end_ && *p >= '0' && *p <= '9'; ++p) value = std::min(value * 10 + (*p - '0'), 100000);
    if (p == digits) return bad_number(p);
    out.exponent += negative ? -value : value;
    return true;
}

PORTUNUS_DECL bool cursor::escape(const char*& p) {
    const auto fail = [&](const char* what, const char* where) {
        return trouble_.is(std::string(what) + " at byte " + std::to_string(where - begin_));
    };
    const auto four = [&](const char* from, unsigned& value) {
        if (end_ - from < 4) return false;
        value = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = from[i], lower = static_cast<char>(c | 0x20);
            if (c >= '0' && c <= '9')
                value = value << 4 | static_cast<unsigned>(c - '0');
            else if (lower >= 'a' && lower <= 'f')
                value = value << 4 | static_cast<unsigned>(lower - 'a' + 10);
            else
                return false;
        }
        return true;
    };
    const char* const from = p++; // the backslash
    if (p == end_) return fail("a string without an end", at_);
    if (*p != 'u') {
        if (std::string_view("\"\\/bfnrt").find(*p) == std::string_view::npos)
            return fail("an unknown escape", from);
        ++p;
        return true;
    }
    unsigned unit = 0, low = 0;
    if (!four(p + 1, unit)) return fail("an escape without four hexadecimal digits", from);
    p += 5;
    if (unit < 0xD800 || unit > 0xDFFF) return true;
    if (unit > 0xDBFF || end_ - p < 6 || p[0] != '\\' || p[1] != 'u' || !four(p + 2, low) || low < 0xDC00 ||
        low > 0xDFFF)
        return fail("half of a surrogate pair", from);
    p += 6;
    return true;
}

PORTUNUS_DECL bool cursor::skip_string(const char* p) {
    const auto fail = [&](const char* what, const char* where) {
        return trouble_.is(std::string(what) + " at byte " + std::to_string(where - begin_));
    };
    for (;; p = plain_end(p, end_)) {
        if (p == end_) return fail("a string without an end", at_);
        const auto c = static_cast<unsigned char>(*p);
        if (c == '"') break;
        if (c == '\\') {
            if (!escape(p)) return false;
        } else if (c < 0x20) {
            return fail("a control character in a string", p);
        } else if (c >= 0x80) {
            const std::size_t length = utf8_length(p, end_);
            if (length == 0) return fail("invalid UTF-8", p);
            p += length;
        } else {
            ++p;
        }
    }
    at_ = p + 1;
    return true;
}

/// What a string means of which `skip_string` has said that it is valid.
PORTUNUS_DECL void unescape(std::string_view raw, std::string& out) {
    const auto unit = [](const char* p) {
        unsigned value = 0;
        for (int i = 0; i < 4; ++i)
            value = value << 4 | static_cast<unsigned>(p[i] <= '9' ? p[i] - '0' : (p[i] | 0x20) - 'a' + 10);
        return value;
    };
    out.clear();
    while (true) {
        const std::size_t plain = std::min(raw.find('\\'), raw.size());
        out.append(raw.substr(0, plain));
        raw.remove_prefix(plain);
        if (raw.empty()) return;
        constexpr std::string_view letters = "bfnrt", meanings = "\b\f\n\r\t";
        if (raw[1] != 'u') {
            const std::size_t letter = letters.find(raw[1]);
            out += letter == std::string_view::npos ? raw[1] : meanings[letter];
            raw.remove_prefix(2);
            continue;
        }
        std::uint32_t point = unit(raw.data() + 2);
        raw.remove_prefix(6);
        if (point >= 0xD800 && point <= 0xDFFF) {
            point = 0x10000 + ((point - 0xD800) << 10) + (unit(raw.data() + 2) - 0xDC00);
            raw.remove_prefix(6);
        }
        append_utf8(out, point);
    }
}

PORTUNUS_DECL bool cursor::string_view(std::string_view& out) {
    if (next() != '"') return mismatch("a string");
    const char* const from = at_ + 1;
    if (!skip_plain_string()) return false;
    out = std::string_view(from, static_cast<std::size_t>(at_ - 1 - from));
    if (out.find('\\') == std::string_view::npos) return true;
    unescape(out, unescaped_);
    out = unescaped_;
    return true;
}

PORTUNUS_DECL bool cursor::difficult_string(std::string& out) {
    const char* const from = at_ + 1;
    if (!skip_plain_string()) return false;
    const std::string_view raw(from, static_cast<std::size_t>(at_ - 1 - from));
    if (raw.find('\\') == std::string_view::npos)
        out.assign(raw);
    else
        unescape(raw, out);
    return true;
}

PORTUNUS_DECL bool cursor::key(std::string_view& name) {
    if (next() != '"') return unexpected("a key in quotes");
    if (!string_view(name)) return false;
    return take(':') || unexpected("':'");
}

PORTUNUS_DECL bool cursor::skip() {
    static_assert(max_depth < 63, "one bit for each level that is open");
    std::uint64_t objects = 0; // the lowest bit: whether the innermost container is an object
    unsigned open = 0;
    number ignored;
    const auto enter = [&](bool object) {
        if (depth_left_ == 0) return too_deep();
        --depth_left_;
        ++at_;
        ++open;
        objects = objects << 1 | (object ? 1u : 0u);
        return true;
    };
    const auto skip_number = [&] {
        const auto digits = [&](const char* p) {
            while (p != end_ && static_cast<unsigned char>(*p - '0') <= 9) ++p;
            return p;
        };
        const char* const from = at_ + (*at_ == '-' ? 1 : 0);
        const char* p = digits(from);
        bool good = p != from && (*from != '0' || p - from == 1);
        if (p != end_ && *p == '.') {
            const char* const fraction = p + 1;
            p = digits(fraction);
            good = good && p != fraction;
        }
        if (!good || (p != end_ && (*p | 0x20) == 'e')) [[unlikely]]
            return numeric(ignored);
        at_ = p;
        return true;
    };
    const auto skip_key = [&] {
        if (next() != '"') return unexpected("a key in quotes");
        return skip_plain_string() && (take(':') || unexpected("':'"));
    };
    for (;;) {
        bool entered = false;
        switch (next()) {
        case '"':
            if (!skip_plain_string()) return false;
            break;
        case '{':
            if (!enter(true)) return false;
            entered = next() != '}';
            if (entered && !skip_key()) return false;
            break;
        case '[':
            if (!enter(false)) return false;
            entered = next() != ']';
            break;
        case 't':
            if (!literal("true")) return mismatch("a value");
            break;
        case 'f':
            if (!literal("false")) return mismatch("a value");
            break;
        case 'n':
            if (!literal("null")) return mismatch("a value");
            break;
        case '-':
        case '0':
        case '1':
        case '2':
        case '3':
        case '4':
        case '5':
        case '6':
        case '7':
        case '8':
        case '9':
            if (!skip_number()) return false;
            break;
        default:
            return unexpected("a value");
        }
        if (entered) continue;
        for (;;) {
            if (open == 0) return true;
            const bool object = (objects & 1) != 0;
            const char c = next();
            if (c == ',') {
                ++at_;
                if (object && !skip_key()) return false;
                break;
            }
            if (c != (object ? '}' : ']')) return unexpected(object ? "',' or '}'" : "',' or ']'");
            ++at_;
            --open;
            ++depth_left_;
            objects >>= 1;
        }
    }
}

} // namespace portunus::json::detail

#endif
