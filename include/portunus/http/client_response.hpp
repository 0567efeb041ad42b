// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_CLIENT_RESPONSE_HPP
#define PORTUNUS_HTTP_CLIENT_RESPONSE_HPP

#include <portunus/http/head.hpp>
#include <portunus/http/vocabulary.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace portunus::http {

namespace detail {

/// A head together with its bytes.
class owned_head {
  public:
    owned_head() = default;
    /// \param bytes those that `parsed` was read from
    owned_head(const response_head& parsed, std::string_view bytes)
        : bytes_(new char[bytes.size()]), slots_(new field_slot[parsed.size()]) {
        std::memcpy(bytes_.get(), bytes.data(), bytes.size());
        head_ = view(parsed, bytes.data(), bytes_.get(), slots_.get());
    }
    const response_head& get() const noexcept { return head_; }

  private:
    struct view : response_head {
        view() = default;
        view(const response_head& parsed, const char* from, const char* base, field_slot* slots)
            : response_head(parsed) {
            for (std::size_t i = 0; i != parsed.size(); ++i) {
                const field_view f = parsed[i];
                const auto at = [&](std::string_view t) {
                    return static_cast<std::uint32_t>(t.data() - from);
                };
                slots[i] = {at(f.name), static_cast<std::uint32_t>(f.name.size()), at(f.value),
                            static_cast<std::uint32_t>(f.value.size())};
            }
            base_ = base;
            slots_ = slots;
        }
    };
    std::unique_ptr<char[]> bytes_;
    std::unique_ptr<field_slot[]> slots_;
    view head_;
};

} // namespace detail

/// An answer with its whole body. Owns everything; move-only.
class client_response {
  public:
    client_response() = default;
    client_response(detail::owned_head head, std::string body, std::string url, unsigned redirects)
        : head_(std::move(head)), body_(std::move(body)), url_(std::move(url)), redirects_(redirects) {}

    const response_head& head() const noexcept { return head_.get(); }
    http::status status() const noexcept { return head().status(); }
    unsigned status_code() const noexcept { return head().status_code(); }
    /// A status of 200 to 299.
    bool ok() const noexcept { return status_code() / 100 == 2; }
    std::optional<std::string_view> find(field name) const noexcept { return head().find(name); }
    std::optional<std::string_view> find(std::string_view name) const noexcept { return head().find(name); }

    /// Without its transfer coding, and without the content codings that `client_options::codings` has.
    std::string_view body() const& noexcept { return body_; }
    std::string body() && noexcept { return std::move(body_); }

    /// Who answered, after all redirections.
    std::string_view url() const noexcept { return url_; }
    unsigned redirects() const noexcept { return redirects_; }

  private:
    detail::owned_head head_;
    std::string body_, url_;
    unsigned redirects_ = 0;
};

} // namespace portunus::http

#endif
