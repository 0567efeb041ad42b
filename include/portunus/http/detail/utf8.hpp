// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_DETAIL_UTF8_HPP
#define PORTUNUS_HTTP_DETAIL_UTF8_HPP

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace portunus::http::detail {

/// Whether bytes are UTF-8 (RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF), also when
/// they come in pieces that cut characters.
class utf8_check {
  public:
    /// False as soon as a byte cannot follow; then for good.
    bool feed(std::string_view bytes) noexcept {
        const char* p = bytes.data();
        const char* const end = p + bytes.size();
        while (p != end) {
            if (left_ == 0) {
                p = skip_ascii(p, end);
                if (p == end) break;
                if (!begin(static_cast<unsigned char>(*p++))) return fail();
                continue;
            }
            const auto c = static_cast<unsigned char>(*p++);
            if (c < lowest_ || c > highest_) return fail();
            lowest_ = 0x80;
            highest_ = 0xbf;
            --left_;
        }
        return !failed_;
    }
    /// Whether the bytes so far end with a whole character.
    bool complete() const noexcept { return left_ == 0 && !failed_; }

  private:
    static const char* skip_ascii(const char* p, const char* end) noexcept {
        for (std::uint64_t eight; end - p >= 8; p += 8) {
            std::memcpy(&eight, p, 8);
            if ((eight & 0x8080808080808080u) != 0) break;
        }
        while (p != end && static_cast<unsigned char>(*p) < 0x80) ++p;
        return p;
    }
    bool begin(unsigned char c) noexcept {
        lowest_ = 0x80;
        highest_ = 0xbf;
        if (c < 0xc2 || c > 0xf4) return false;
        left_ = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
        if (c == 0xe0) lowest_ = 0xa0;
        if (c == 0xed) highest_ = 0x9f;
        if (c == 0xf0) lowest_ = 0x90;
        if (c == 0xf4) highest_ = 0x8f;
        return !failed_;
    }
    bool fail() noexcept {
        failed_ = true;
        left_ = 1;
        return false;
    }

    std::uint8_t left_ = 0; // bytes that the present character still needs
    std::uint8_t lowest_ = 0x80, highest_ = 0xbf;
    bool failed_ = false;
};

inline bool is_utf8(std::string_view text) noexcept {
    utf8_check check;
    return check.feed(text) && check.complete();
}

} // namespace portunus::http::detail

#endif
