// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_HEAD_HPP
#define PORTUNUS_HTTP_HEAD_HPP

#include <portunus/http/detail/characters.hpp>
#include <portunus/http/list_elements.hpp>
#include <portunus/http/vocabulary.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace portunus::http {

/// Where a field stands, counted from the first byte of the head. A parser is given room for these.
struct field_slot {
    std::uint32_t name, name_size, value, value_size;
};

struct field_view {
    std::string_view name;
    std::string_view value; ///< without the blanks around it
};

enum class http_version : std::uint8_t { v1_0, v1_1 };

/// The fields of a head that was accepted, in the order in which they came. Views into the head's bytes,
/// valid as long as those and the parser's slots. Names are compared without regard to case.
class field_list {
  public:
    field_list() noexcept = default;
    field_list(const char* base, const field_slot* slots, std::size_t count) noexcept
        : base_(base), slots_(slots), count_(count) {}

    std::size_t size() const noexcept { return count_; }
    bool empty() const noexcept { return count_ == 0; }
    field_view operator[](std::size_t i) const noexcept {
        const field_slot& s = slots_[i];
        return {{base_ + s.name, s.name_size}, {base_ + s.value, s.value_size}};
    }

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag; // yields values
        using value_type = field_view;
        using difference_type = std::ptrdiff_t;
        using pointer = const field_view*;
        using reference = field_view;

        iterator() noexcept = default;
        iterator(const char* base, const field_slot* slot) noexcept : base_(base), slot_(slot) {}
        field_view operator*() const noexcept { return field_list(base_, slot_, 1)[0]; }
        iterator& operator++() noexcept {
            ++slot_;
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.slot_ == b.slot_; }

      private:
        const char* base_ = nullptr;
        const field_slot* slot_ = nullptr;
    };
    iterator begin() const noexcept { return {base_, slots_}; }
    iterator end() const noexcept { return {base_, slots_ + count_}; }

    /// The value of the first field of that name.
    std::optional<std::string_view> find(std::string_view name) const noexcept {
        const std::size_t i = index_of(name, 0);
        if (i == count_) return std::nullopt;
        return (*this)[i].value;
    }
    std::optional<std::string_view> find(field name) const noexcept { return find(text_of(name)); }

    bool contains(std::string_view name) const noexcept { return index_of(name, 0) != count_; }
    bool contains(field name) const noexcept { return contains(text_of(name)); }

    /// The values of all fields of one name, in order.
    class values {
      public:
        class iterator {
          public:
            using iterator_category = std::input_iterator_tag;
            using value_type = std::string_view;
            using difference_type = std::ptrdiff_t;
            using pointer = const std::string_view*;
            using reference = std::string_view;

            iterator() noexcept = default;
            iterator(const values* of, std::size_t i) noexcept : of_(of), i_(i) {}
            std::string_view operator*() const noexcept;
            iterator& operator++() noexcept;
            iterator operator++(int) noexcept {
                iterator before = *this;
                ++*this;
                return before;
            }
            friend bool operator==(const iterator& a, const iterator& b) noexcept { return a.i_ == b.i_; }

          private:
            const values* of_ = nullptr;
            std::size_t i_ = 0;
        };
        iterator begin() const noexcept;
        iterator end() const noexcept;

      private:
        friend class field_list;
        values(const char* base, const field_slot* slots, std::size_t count, std::string_view name) noexcept
            : base_(base), slots_(slots), count_(count), name_(name) {}

        const char* base_;
        const field_slot* slots_;
        std::size_t count_;
        std::string_view name_;
    };
    /// The range must outlive its iterators, and `name` the range.
    values all(std::string_view name) const noexcept { return {base_, slots_, count_, name}; }
    values all(field name) const noexcept { return all(text_of(name)); }

    /// Whether a word is an element of the list that all fields of that name make together:
    /// `has_element("Connection", "close")`.
    bool has_element(std::string_view name, std::string_view word) const noexcept {
        for (std::size_t i = index_of(name, 0); i != count_; i = index_of(name, i + 1))
            if (list_elements((*this)[i].value).contains(word)) return true;
        return false;
    }
    bool has_element(field name, std::string_view word) const noexcept {
        return has_element(text_of(name), word);
    }

  protected:
    std::size_t index_of(std::string_view name, std::size_t from) const noexcept {
        for (; from < count_; ++from) {
            const field_slot& s = slots_[from];
            if (s.name_size == name.size() && detail::same_word({base_ + s.name, s.name_size}, name))
                return from;
        }
        return count_;
    }

    const char* base_ = nullptr;
    const field_slot* slots_ = nullptr;
    std::size_t count_ = 0;
};

inline std::string_view field_list::values::iterator::operator*() const noexcept {
    return field_list(of_->base_, of_->slots_, of_->count_)[i_].value;
}
inline field_list::values::iterator& field_list::values::iterator::operator++() noexcept {
    i_ = field_list(of_->base_, of_->slots_, of_->count_).index_of(of_->name_, i_ + 1);
    return *this;
}
inline field_list::values::iterator field_list::values::begin() const noexcept {
    return {this, field_list(base_, slots_, count_).index_of(name_, 0)};
}
inline field_list::values::iterator field_list::values::end() const noexcept {
    return {this, count_};
}

namespace detail {

/// What was learnt from the fields while they were read.
struct head_facts {
    std::uint64_t content_length = 0;
    bool has_content_length = false;
    bool chunked = false;
    bool close = false;          ///< Connection has it
    bool keep_alive = false;     ///< Connection has it
    bool upgrade_option = false; ///< Connection has it
    bool upgrade_field = false;
    bool expect_continue = false;
};

struct text_range {
    std::uint32_t begin = 0, size = 0;
};

class head_reader;

} // namespace detail

/// What a request's and a response's head have in common.
class message_head : public field_list {
  public:
    http_version version() const noexcept { return version_; }

    /// What Content-Length says; nothing where there is none.
    std::optional<std::uint64_t> content_length() const noexcept {
        if (!facts_.has_content_length) return std::nullopt;
        return facts_.content_length;
    }
    bool chunked() const noexcept { return facts_.chunked; }

    /// Whether the connection may be used for another message, as far as the sender of this one is concerned:
    /// in 1.1 unless it says "close", in 1.0 only where it says "keep-alive" (RFC 9112 9.3).
    bool keep_alive() const noexcept {
        return !facts_.close && (version_ == http_version::v1_1 || facts_.keep_alive);
    }

    /// Whether the sender offers (or, in a response, takes) another protocol: an Upgrade field, announced in
    /// Connection, in HTTP/1.1.
    bool upgrade() const noexcept {
        return facts_.upgrade_field && facts_.upgrade_option && version_ == http_version::v1_1;
    }

  protected:
    friend class detail::head_reader;

    std::string_view text(detail::text_range r) const noexcept { return {base_ + r.begin, r.size}; }

    detail::head_facts facts_{};
    http_version version_ = http_version::v1_1;
};

/// How a request names what it wants (RFC 9112 3.2).
enum class target_form : std::uint8_t {
    origin,    ///< "/path?query"
    absolute,  ///< "http://host/path?query"
    authority, ///< "host:port", of CONNECT
    asterisk,  ///< "*", of OPTIONS
};

/// The head of a request that was accepted.
class request_head : public message_head {
  public:
    /// `verb::unknown` for a method that Beast has no name for; the text tells it.
    verb method() const noexcept { return method_; }
    std::string_view method_text() const noexcept { return text(method_text_); }

    /// As it came, percent-encoding included.
    std::string_view target() const noexcept { return text(target_); }
    target_form form() const noexcept { return form_; }

    /// Path and query: the target itself in origin form, its rest in absolute form (which may begin with the
    /// '?'), "*" in asterisk form, empty in authority form.
    std::string_view path_and_query() const noexcept { return text(path_); }
    /// Before the '?'. "/" for "http://host".
    std::string_view path() const noexcept {
        const std::string_view both = path_and_query();
        const std::string_view before = both.substr(0, both.find('?'));
        return before.empty() && form_ == target_form::absolute ? std::string_view("/") : before;
    }
    /// Behind the '?'; empty where there is none.
    std::string_view query() const noexcept {
        const std::string_view both = path_and_query();
        const std::size_t mark = both.find('?');
        return mark == std::string_view::npos ? std::string_view() : both.substr(mark + 1);
    }

    /// "example.com:8080", "[::1]", without a port where none was given: from the target where that has an
    /// authority, which counts then (RFC 9112 3.2.2), else from Host. Empty for a 1.0 request without Host.
    std::string_view host() const noexcept { return text(host_); }
    /// Without the port; an IPv6 address with its brackets.
    std::string_view host_name() const noexcept { return host().substr(0, host_name_size_); }
    /// 0 where none was given.
    std::uint16_t port() const noexcept { return port_; }
    /// Whether the absolute form said https.
    bool secure_target() const noexcept { return secure_; }

    /// The client waits for "100 Continue" before it sends the body. Never in 1.0, where it means nothing.
    bool expect_continue() const noexcept { return facts_.expect_continue && version_ == http_version::v1_1; }
    /// A body follows, of at least one byte or chunked.
    bool has_body() const noexcept { return facts_.chunked || facts_.content_length != 0; }

  private:
    friend class detail::head_reader;
    friend class request_parser;

    detail::text_range method_text_{}, target_{}, path_{}, host_{};
    std::uint32_t host_name_size_ = 0;
    std::uint16_t port_ = 0;
    verb method_ = verb::unknown;
    target_form form_ = target_form::origin;
    bool secure_ = false;
};

/// Where a response's body ends (RFC 9112 6.3).
enum class body_end : std::uint8_t {
    none,    ///< there is no body
    length,  ///< after `content_length()` bytes
    chunked, ///< with the last chunk
    close,   ///< with the connection
};

/// The head of a response that was accepted.
class response_head : public message_head {
  public:
    /// 100 to 999.
    unsigned status_code() const noexcept { return code_; }
    /// `status::unknown` for a number that nobody has registered.
    http::status status() const noexcept { return boost::beast::http::int_to_status(code_); }
    std::string_view reason() const noexcept { return text(reason_); }

    /// An interim answer: another head follows. 101 is none, since nothing follows it.
    bool interim() const noexcept { return code_ < 200 && code_ != 101; }

    /// \param request the method that was asked with; HEAD and CONNECT have answers without a body.
    body_end body(verb request) const noexcept {
        if (request == verb::head || code_ < 200 || code_ == 204 || code_ == 304) return body_end::none;
        if (request == verb::connect && code_ < 300) return body_end::none;
        if (facts_.chunked) return body_end::chunked;
        if (!facts_.has_content_length) return body_end::close;
        return facts_.content_length == 0 ? body_end::none : body_end::length;
    }

  private:
    friend class response_parser;

    detail::text_range reason_{};
    unsigned code_ = 0;
};

} // namespace portunus::http

#endif
