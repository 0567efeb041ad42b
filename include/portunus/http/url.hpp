// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_URL_HPP
#define PORTUNUS_HTTP_URL_HPP

#include <portunus/core/error.hpp>
#include <portunus/core/result.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace portunus::http {

enum class hex_case : std::uint8_t { upper, lower };

/// Every byte but letters, digits and "-._~" as %XX; a space is %20. Semantics row Q-22 wants lower-case
/// digits, RFC 3986 2.1 upper-case ones; both are read alike.
std::string percent_encode(std::string_view text, hex_case digits = hex_case::upper);

struct decode_options {
    bool plus_is_space = false; ///< as in forms
    bool allow_nul = false;     ///< %00, which ends a string for whoever is written in C behind us
};

/// The text with each %XX as the byte that it means. `errc::malformed_frame` for a '%' without two digits,
/// and for %00 where that is not allowed; the detail tells the byte.
result<std::string> percent_decode(std::string_view text, const decode_options& options = {});

/// An absolute URL for HTTP or WebSocket: views into the text that was parsed, nothing decoded (RFC 3986).
struct url_view {
    std::string_view scheme{};    ///< as written: "http", "HTTPS", "ws", "wss"
    std::string_view userinfo{};  ///< "user:password"; only where it was allowed
    std::string_view host{};      ///< a name, an IPv4 address, or an IPv6 address without its brackets
    std::string_view authority{}; ///< host and port as written, for Host
    bool is_ipv6 = false;
    std::optional<std::uint16_t> port{};
    std::string_view path{};                    ///< "/" where the URL has none
    std::optional<std::string_view> query{};    ///< without '?'
    std::optional<std::string_view> fragment{}; ///< without '#'

    /// https or wss.
    bool secure() const noexcept { return scheme.size() == 5 || scheme.size() == 3; }
    /// The one that was given, or 80 or 443.
    std::uint16_t effective_port() const noexcept { return port.value_or(secure() ? 443 : 80); }
    /// What a client writes into the request line: path and query.
    std::string target() const;
};

struct url_options {
    /// Credentials in URLs end in logs and histories, and are used to deceive people: refused unless asked
    /// for.
    bool allow_userinfo = false;
};

/// Strict: http, https, ws and wss; no blanks, no bytes outside of ASCII, '%' only with two digits, ports of
/// 1 to 65535. `errc::invalid_address` with the text and what is wrong with it.
result<url_view> parse_url(std::string_view text, const url_options& options = {});
/// The views would outlive a temporary.
template <std::same_as<std::string> Text>
result<url_view> parse_url(Text&& text, const url_options& options = {}) = delete;

/// What a reference, as in Location, means on a page: RFC 3986 5.2, dot segments removed.
result<std::string> resolve_url(const url_view& base, std::string_view reference);

using url_parameters = std::vector<std::pair<std::string, std::string>>;

/// "a=1&b=x%20y": names and values encoded.
std::string encode_parameters(const url_parameters& parameters, hex_case digits = hex_case::upper);

/// The parts of a URL that is to be built, none of them encoded (semantics row Q-22, CreateUrl).
struct url_parts {
    std::string scheme = "http";
    std::string host{}; ///< a name or an address; brackets around IPv6 are added
    std::optional<std::uint16_t> port{};
    std::string path = "/"; ///< '/' separates, every other byte is encoded where it has to be
    url_parameters query{};
    std::string fragment{};
};
/// `errc::invalid_address` for a scheme, host or path that no URL can have.
result<std::string> build_url(const url_parts& parts, hex_case digits = hex_case::upper);

/// The path of a request as a path of files: decoded, "." and ".." resolved, slashes in a row joined; begins
/// with '/', and ends with one where a directory was asked for. `errc::malformed_frame` for a path that does
/// not begin with '/', leaves the root, or contains %00, an encoded slash or broken encoding.
result<std::string> normalise_path(std::string_view path);

/// One "key=value" of a query, as it stands there.
struct query_pair {
    std::string_view raw_key{};
    std::string_view raw_value{};
    bool has_value = false; ///< there was a '='

    /// With %XX and '+' decoded.
    result<std::string> key() const { return percent_decode(raw_key, {.plus_is_space = true}); }
    result<std::string> value() const { return percent_decode(raw_value, {.plus_is_space = true}); }
};

/// The pairs of "a=1&b=2&c", in order; empty ones are skipped, duplicates kept. Views, nothing is decoded.
class query_pairs {
  public:
    explicit query_pairs(std::string_view query) noexcept : query_(query) {}

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = query_pair;
        using difference_type = std::ptrdiff_t;
        using pointer = const query_pair*;
        using reference = const query_pair&;

        iterator() noexcept = default;
        explicit iterator(std::string_view rest) noexcept : rest_(rest), more_(true) { ++*this; }
        const query_pair& operator*() const noexcept { return pair_; }
        const query_pair* operator->() const noexcept { return &pair_; }
        iterator& operator++() noexcept;
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.more_ == b.more_ && (!a.more_ || a.rest_.size() == b.rest_.size());
        }

      private:
        std::string_view rest_{};
        query_pair pair_{};
        bool more_ = false;
    };
    iterator begin() const noexcept { return iterator(query_); }
    iterator end() const noexcept { return iterator(); }

  private:
    std::string_view query_;
};

} // namespace portunus::http

#include <portunus/http/impl/url.hpp>

#endif
