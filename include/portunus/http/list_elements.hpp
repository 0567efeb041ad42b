// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_LIST_ELEMENTS_HPP
#define PORTUNUS_HTTP_LIST_ELEMENTS_HPP

#include <portunus/http/detail/characters.hpp>

#include <cstddef>
#include <iterator>
#include <string_view>

namespace portunus::http {

/// The elements of a field value that is a list (RFC 9110 5.6.1): separated by commas, blanks around them
/// dropped, empty ones skipped. A comma inside of a quoted string separates nothing.
///
///     for (std::string_view token : list_elements("gzip , br,, \"a,b\"")) ...    // gzip  br  "a,b"
///
/// Views into the value; allocates nothing.
class list_elements {
  public:
    explicit list_elements(std::string_view value) noexcept : value_(value) {}

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = std::string_view;
        using difference_type = std::ptrdiff_t;
        using pointer = const std::string_view*;
        using reference = std::string_view;

        iterator() noexcept = default;
        explicit iterator(std::string_view rest) noexcept : rest_(rest) { ++*this; }
        std::string_view operator*() const noexcept { return element_; }
        iterator& operator++() noexcept {
            element_ = {};
            while (element_.empty() && !rest_.empty()) take();
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.element_.data() == b.element_.data() && a.element_.size() == b.element_.size();
        }

      private:
        void take() noexcept {
            bool inside = false;
            std::size_t i = 0;
            for (; i != rest_.size(); ++i) {
                const char c = rest_[i];
                if (c == ',' && !inside) break;
                if (c == '"') inside = !inside;
                if (c == '\\' && inside && i + 1 != rest_.size()) ++i;
            }
            element_ = detail::trimmed(rest_.substr(0, i));
            if (element_.empty()) element_ = {};
            rest_.remove_prefix(i == rest_.size() ? i : i + 1);
        }

        std::string_view rest_{};
        std::string_view element_{};
    };

    iterator begin() const noexcept { return iterator(value_); }
    iterator end() const noexcept { return iterator(); }

    /// Whether one of the elements is this word, whatever the case of its letters.
    bool contains(std::string_view word) const noexcept {
        for (const std::string_view element : *this)
            if (detail::same_word(element, word)) return true;
        return false;
    }

  private:
    std::string_view value_;
};

} // namespace portunus::http

#endif
