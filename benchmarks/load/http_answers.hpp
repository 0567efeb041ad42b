// What the load generator knows of HTTP: how a right answer looks.
//
// Every byte is checked. The first answer is parsed: version, status, fields, Content-Length, body. As long
// as the server repeats it byte by byte, comparing is enough, and costs little beside the servers that are
// measured; one that differs (the date has moved on) is parsed in turn.
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

class http_answers {
  public:
    static constexpr std::string_view body = "Hello, World!";
    static constexpr std::string_view request = "GET /hello HTTP/1.1\r\n"
                                                "Host: localhost\r\n"
                                                "User-Agent: load_generator\r\n"
                                                "Accept: text/plain, */*;q=0.1\r\n"
                                                "\r\n";
    static constexpr std::size_t most_bytes = 4096; // of an answer

    struct found {
        std::size_t answers = 0;
        std::size_t used = 0; // bytes; what is left is the beginning of an answer
    };

    // The answers at the front of `data`; nothing where one is wrong, and `why` says what.
    std::optional<found> take(std::string_view data, std::string& why) {
        found f;
        while (f.used < data.size()) {
            const std::string_view rest = data.substr(f.used);
            const std::size_t common = std::min(rest.size(), known_.size());
            if (common != 0 && std::memcmp(rest.data(), known_.data(), common) == 0) {
                if (common < known_.size()) break;
                f.used += common;
                ++f.answers;
                continue;
            }
            const auto size = parse(rest, why);
            if (!size) return std::nullopt;
            if (*size == 0) break;
            known_.assign(rest.substr(0, *size));
            f.used += *size;
            ++f.answers;
        }
        return f;
    }

  private:
    static bool same_word(std::string_view a, std::string_view lower) {
        return std::equal(a.begin(), a.end(), lower.begin(), lower.end(),
                          [](char x, char y) { return (x >= 'A' && x <= 'Z' ? x + 32 : x) == y; });
    }

    // The bytes of the answer; 0 where its end has not come.
    static std::optional<std::size_t> parse(std::string_view data, std::string& why) {
        const auto wrong = [&](const char* what) {
            why = what;
            return std::nullopt;
        };
        constexpr std::string_view status = "HTTP/1.1 200 ";
        if (data.substr(0, status.size()) != status.substr(0, data.size()))
            return wrong("the status is not 200");
        const std::size_t end = data.find("\r\n\r\n");
        if (end == data.npos) {
            if (data.size() > most_bytes) return wrong("the head has no end");
            return 0;
        }
        std::optional<std::size_t> length;
        std::size_t at = data.find("\r\n") + 2;
        while (at < end + 2) {
            const std::size_t next = data.find("\r\n", at);
            const std::string_view line = data.substr(at, next - at);
            const std::size_t colon = line.find(':');
            if (colon == line.npos || colon == 0) return wrong("a field has no name");
            const std::string_view name = line.substr(0, colon);
            std::string_view value = line.substr(colon + 1);
            while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
            if (same_word(name, "content-length")) {
                std::size_t n = 0;
                const auto [stop, failed] = std::from_chars(value.data(), value.data() + value.size(), n);
                if (failed != std::errc() || stop != value.data() + value.size() || length)
                    return wrong("Content-Length is no number, or stands twice");
                length = n;
            }
            if (same_word(name, "transfer-encoding")) return wrong("the body has no length");
            if (same_word(name, "connection") && !same_word(value, "keep-alive"))
                return wrong("the server wants to close the connection");
            at = next + 2;
        }
        if (!length) return wrong("no Content-Length");
        if (*length != body.size()) return wrong("Content-Length is not that of the body");
        const std::string_view got = data.substr(end + 4, body.size());
        if (got != body.substr(0, got.size())) return wrong("the body is another one");
        return got.size() < body.size() ? 0 : end + 4 + body.size();
    }

    std::string known_; // the last answer that was parsed and right
};
