// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_ANY_SCHEME_HPP
#define PORTUNUS_CHANNEL_ANY_SCHEME_HPP

#include <portunus/channel/auth_scheme.hpp>
#include <portunus/channel/scram_sha_256.hpp>
#include <portunus/channel/seed_key.hpp>

#include <string_view>
#include <utility>
#include <variant>

namespace portunus {

/// One of the library's schemes, chosen at run time: `any_scheme::client(scram_sha_256::client(...))`. Both
/// ends have to choose the same one; a server has exactly one, so that nobody can talk it into a weaker one.
class any_scheme {
  public:
    static constexpr std::string_view name() noexcept { return "a scheme chosen at run time"; }

    class client {
      public:
        client(seed_key::client one) : one_(std::move(one)) {}      // NOLINT: each is one of these
        client(scram_sha_256::client one) : one_(std::move(one)) {} // NOLINT

        bool has_secret() const noexcept {
            return std::visit([](const auto& one) { return one.has_secret(); }, one_);
        }
        result<auth_value> begin() {
            return std::visit([](auto& one) { return one.begin(); }, one_);
        }
        result<auth_value> answer(const auth_value& seed) {
            return std::visit([&](auto& one) { return one.answer(seed); }, one_);
        }
        result<void> confirm(const auth_value& verdict) {
            return std::visit([&](auto& one) { return one.confirm(verdict); }, one_);
        }

      private:
        std::variant<seed_key::client, scram_sha_256::client> one_;
    };

    class server {
      public:
        server(seed_key::server one) : one_(std::move(one)) {}      // NOLINT: each is one of these
        server(scram_sha_256::server one) : one_(std::move(one)) {} // NOLINT

        result<auth_value> challenge(const auth_value& request) {
            return std::visit([&](auto& one) { return one.challenge(request); }, one_);
        }
        result<auth_value> judge(const auth_value& key) {
            return std::visit([&](auto& one) { return one.judge(key); }, one_);
        }
        auth_value refusal() const {
            return std::visit([](const auto& one) { return one.refusal(); }, one_);
        }
        std::string_view peer_name() const noexcept {
            return std::visit([](const auto& one) { return std::string_view(one.peer_name()); }, one_);
        }

      private:
        std::variant<seed_key::server, scram_sha_256::server> one_;
    };
};

static_assert(auth_scheme<seed_key> && auth_scheme<scram_sha_256> && auth_scheme<any_scheme>);

} // namespace portunus

#endif
