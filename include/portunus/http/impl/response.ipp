// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_RESPONSE_IPP
#define PORTUNUS_HTTP_IMPL_RESPONSE_IPP

#include <portunus/http/response.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

PORTUNUS_DECL response::response(http::status code) noexcept : code_(code) {
    if (!detail::has_body(code)) return;
    type_ = media::text.view();
    body_ = text_of(code);
}

PORTUNUS_DECL response& response::add(std::string_view name, std::string_view value) {
    const auto refuse = [&](const char* why) {
        throw failure(error(errc::invalid_option, "field \"" + std::string(name) + "\": " + why));
    };
    if (name.empty() || !detail::is_token(name)) refuse("the name is no token");
    for (const char c : value)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f)
            refuse("a control character in the value");
    for (const std::string_view own :
         {"Content-Length", "Transfer-Encoding", "Connection", "Date", "Trailer", "Keep-Alive"})
        if (detail::same_word(own, name)) refuse("the server writes it by itself");
    if (detail::same_word("Content-Type", name)) {
        own_type_ = std::make_unique<const std::string>(value);
        type_ = *own_type_;
        return *this;
    }
    if (detail::same_word("Upgrade", name)) upgrade_ = true;
    fields_.append(name).append(": ").append(value).append("\r\n");
    return *this;
}

namespace detail {

/// Where the first line of that name begins and ends, behind `from`; both at the end of `fields` for none.
PORTUNUS_DECL std::pair<std::size_t, std::size_t> find_line(std::string_view fields, std::string_view name,
                                                            std::size_t from) noexcept {
    while (from < fields.size()) {
        const std::size_t end = fields.find("\r\n", from) + 2;
        if (same_word(fields.substr(from, fields.find(':', from) - from), name)) return {from, end};
        from = end;
    }
    return {fields.size(), fields.size()};
}

} // namespace detail

PORTUNUS_DECL std::optional<std::string_view> response::find(std::string_view name) const noexcept {
    if (own_type_ && detail::same_word("Content-Type", name)) return type_;
    const std::string_view all = fields_;
    const auto [begin, end] = detail::find_line(all, name, 0);
    if (begin == end) return std::nullopt;
    const std::size_t value = begin + name.size() + 2; // "name: "
    return all.substr(value, end - 2 - value);
}

PORTUNUS_DECL response& response::remove(std::string_view name) {
    if (detail::same_word("Upgrade", name)) upgrade_ = false;
    if (detail::same_word("Content-Type", name)) {
        own_type_.reset();
        type_ = {};
    }
    for (std::size_t from = 0;;) {
        const auto [begin, end] = detail::find_line(fields_, name, from);
        if (begin == end) return *this;
        fields_.erase(begin, end - begin);
        from = begin;
    }
}

namespace detail {

/// Writes into room that was made before: the head of an answer is a dozen small pieces, and asking the
/// string for each of them costs more than the pieces.
class head_writer {
  public:
    explicit head_writer(char* at) noexcept : at_(at) {}
    template <std::size_t N>
    head_writer& operator<<(const char (&text)[N]) noexcept {
        std::memcpy(at_, text, N - 1);
        at_ += N - 1;
        return *this;
    }
    head_writer& operator<<(std::string_view text) noexcept {
        std::memcpy(at_, text.data(), text.size()); // no overlap, and never null: see `put`
        at_ += text.size();
        return *this;
    }
    head_writer& put(std::string_view text) noexcept { return text.empty() ? *this : *this << text; }
    head_writer& number(std::uint64_t n) noexcept {
        at_ = std::to_chars(at_, at_ + digits, n).ptr;
        return *this;
    }
    char* end() const noexcept { return at_; }

    static constexpr std::size_t digits = 20;

  private:
    char* at_;
};

PORTUNUS_DECL void append(std::string& out, const response& answer, const answer_form& form,
                          std::string_view date) {
    const std::string_view name = text_of(answer.code()), type = answer.content_type(),
                           fields = answer.fields(), body = answer.body();
    // What is always there, and the longest of what may be, is below 160 bytes.
    constexpr std::size_t fixed = 192 + head_writer::digits;
    const std::size_t before = out.size();
    out.resize(before + fixed + name.size() + date.size() + type.size() + fields.size());
    head_writer to(out.data() + before);
    if (answer.code() == status::ok)
        to << "HTTP/1.1 200 OK\r\nDate: ";
    else
        (to << "HTTP/1.1 ").number(static_cast<unsigned>(answer.code())).put(" ").put(name) << "\r\nDate: ";
    to.put(date) << "\r\n";
    const bool body_allowed = has_body(answer.code());
    if (body_allowed && !form.hands_over && !type.empty()) to << "Content-Type: " << type << "\r\n";
    to.put(fields);
    const bool says_length = body_allowed && !form.until_close && !form.hands_over;
    if (says_length && form.chunked)
        to << "Transfer-Encoding: chunked\r\n";
    else if (says_length)
        (to << "Content-Length: ").number(form.length ? *form.length : body.size()) << "\r\n";
    if (answer.upgrades() && form.keep_alive)
        to << "Connection: Upgrade\r\n";
    else if (answer.upgrades())
        to << "Connection: close, Upgrade\r\n";
    else if (!form.keep_alive)
        to << "Connection: close\r\n";
    else if (form.http_1_0)
        to << "Connection: keep-alive\r\n";
    to << "\r\n";
    out.resize(static_cast<std::size_t>(to.end() - out.data()));
    if (says_length && !form.head_only && !form.chunked && !form.length) out.append(body);
}

} // namespace detail
} // namespace portunus::http

#endif
