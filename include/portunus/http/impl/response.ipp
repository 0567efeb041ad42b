// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_RESPONSE_IPP
#define PORTUNUS_HTTP_IMPL_RESPONSE_IPP

#include <portunus/http/response.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/core/error.hpp>
#include <portunus/http/detail/characters.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
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
    const std::string_view all = fields_;
    const auto [begin, end] = detail::find_line(all, name, 0);
    if (begin == end) return std::nullopt;
    const std::size_t value = begin + name.size() + 2; // "name: "
    return all.substr(value, end - 2 - value);
}

PORTUNUS_DECL response& response::remove(std::string_view name) {
    for (std::size_t from = 0;;) {
        const auto [begin, end] = detail::find_line(fields_, name, from);
        if (begin == end) return *this;
        fields_.erase(begin, end - begin);
        from = begin;
    }
}

namespace detail {

/// "HTTP/1.1 200 OK\r\n" ready made, for those that are sent most.
PORTUNUS_DECL void append_status_line(std::string& out, http::status code) {
    if (code == status::ok) {
        out.append("HTTP/1.1 200 OK\r\n");
        return;
    }
    const auto number = static_cast<unsigned>(code);
    out.append("HTTP/1.1 ");
    const std::array<char, 4> digits{static_cast<char>('0' + number / 100 % 10),
                                     static_cast<char>('0' + number / 10 % 10),
                                     static_cast<char>('0' + number % 10), ' '};
    out.append(digits.data(), digits.size()).append(text_of(code)).append("\r\n");
}

PORTUNUS_DECL void append(std::string& out, const response& answer, const answer_form& form,
                          std::string_view date) {
    append_status_line(out, answer.code());
    out.append("Date: ").append(date).append("\r\n");
    const bool body_allowed = has_body(answer.code());
    const std::string_view body = answer.body();
    if (body_allowed && !form.hands_over && !answer.content_type().empty())
        out.append("Content-Type: ").append(answer.content_type()).append("\r\n");
    out.append(answer.fields());
    const bool says_length = body_allowed && !form.until_close && !form.hands_over;
    if (form.chunked && says_length) {
        out.append("Transfer-Encoding: chunked\r\n");
    } else if (says_length) {
        std::array<char, 20> digits;
        const std::uint64_t length = form.length ? *form.length : body.size();
        const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), length).ptr;
        out.append("Content-Length: ")
            .append(digits.data(), static_cast<std::size_t>(end - digits.data()))
            .append("\r\n");
    }
    if (answer.upgrades())
        out.append(form.keep_alive ? "Connection: Upgrade\r\n" : "Connection: close, Upgrade\r\n");
    else if (!form.keep_alive)
        out.append("Connection: close\r\n");
    else if (form.http_1_0)
        out.append("Connection: keep-alive\r\n");
    out.append("\r\n");
    if (says_length && !form.head_only && !form.chunked && !form.length) out.append(body);
}

} // namespace detail
} // namespace portunus::http

#endif
