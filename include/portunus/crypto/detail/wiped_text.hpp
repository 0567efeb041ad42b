// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CRYPTO_DETAIL_WIPED_TEXT_HPP
#define PORTUNUS_CRYPTO_DETAIL_WIPED_TEXT_HPP

#include <string>
#include <string_view>
#include <utility>

namespace portunus::detail {

/// Text that may hold a key: overwritten before its memory is given back.
class wiped_text {
  public:
    explicit wiped_text(std::string text) : text_(std::move(text)) {
        text.assign(text.capacity(), '\0'); // a short text was copied
    }
    wiped_text(const wiped_text&) = delete;
    wiped_text& operator=(const wiped_text&) = delete;
    ~wiped_text() {
        volatile char* const bytes = text_.data(); // volatile: not to be optimised away
        for (std::size_t i = 0; i < text_.size(); ++i) bytes[i] = 0;
    }
    std::string_view view() const noexcept { return text_; }

  private:
    std::string text_;
};

} // namespace portunus::detail

#endif
