// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_EVENTS_HPP
#define PORTUNUS_HTTP_EVENTS_HPP

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace portunus::http {

/// An event for a page that listens with `EventSource` (the HTML standard, "Server-sent events").
///
/// It has constructors, so that one may stand in an expression with `co_await`.
struct event {
    event() = default;
    explicit event(std::string text) : data(std::move(text)) {}
    event(std::string kind, std::string text) : name(std::move(kind)), data(std::move(text)) {}

    /// Of which kind; a page hears it with `addEventListener(name, ...)`. Empty: "message".
    std::string name;
    /// Any text in UTF-8; may have several lines. A page takes CR and CRLF for LF.
    std::string data;
    /// Given back in Last-Event-ID when the page connects again. Nothing: that of the event before stays;
    /// empty: forgotten.
    std::optional<std::string> id;
    /// How long the page waits from now on before it connects again.
    std::optional<std::chrono::milliseconds> retry;
};

/// Appends an event as it is sent: a line for each field and each line of the data, then an empty one. An
/// event always has data, or a page would drop it.
///
/// Nothing in it can become another field or event: `name` and `id` end at their first line end or NUL, and
/// any line end in `data` begins another line of data.
inline void append_event(std::string& out, const event& e) {
    const auto line = [&out](std::string_view name, std::string_view value) {
        out.append(name).append(": ").append(value).push_back('\n');
    };
    const auto single = [](std::string_view text) {
        return text.substr(0, text.find_first_of(std::string_view("\r\n\0", 3)));
    };
    if (e.id) line("id", single(*e.id));
    if (!single(e.name).empty()) line("event", single(e.name));
    if (e.retry) line("retry", std::to_string(e.retry->count() < 0 ? 0 : e.retry->count()));
    for (std::string_view rest = e.data;;) {
        const std::size_t end = rest.find_first_of("\r\n");
        line("data", rest.substr(0, end));
        if (end == std::string_view::npos) break;
        rest.remove_prefix(end + (rest.substr(end).starts_with("\r\n") ? 2 : 1));
    }
    out.push_back('\n');
}
inline std::string event_text(const event& e) {
    std::string text;
    append_event(text, e);
    return text;
}

} // namespace portunus::http

#endif
