// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_SEED_KEY_HPP
#define PORTUNUS_CHANNEL_IMPL_SEED_KEY_HPP

#include <portunus/channel/seed_key.hpp>

#include <portunus/crypto/constant_time.hpp>
#include <portunus/crypto/hash.hpp>
#include <portunus/crypto/hmac.hpp>

#include <array>

namespace portunus {

inline std::shared_ptr<const seed_key_server_settings>
seed_key_server_settings::one_secret(std::shared_ptr<const secret_text> all) {
    auto settings = std::make_shared<seed_key_server_settings>();
    settings->find = [all = std::move(all)](std::string_view) -> std::optional<secret_text> {
        if (!all || all->empty()) return std::nullopt;
        return all->copy();
    };
    return settings;
}

inline result<std::string> seed_key::key_for(std::string_view seed, std::string_view secret) {
    const auto digest = sha512().update(seed).update(secret).finish();
    if (!digest) return digest.error();
    return to_hex(*digest);
}

inline result<auth_value> seed_key::client::begin() {
    if (settings_.name.empty()) return auth_value{auth_kind::null, {}};
    if (settings_.name.size() > longest_name || !detail::is_plain_text(settings_.name))
        return error(errc::invalid_option, "a name has 1 to 256 bytes of UTF-8 and no control characters");
    return auth_value{auth_kind::text, settings_.name};
}

inline result<auth_value> seed_key::client::answer(const auth_value& seed) {
    if (seed.kind != auth_kind::text || seed.text.empty() || seed.text.size() > longest_seed)
        return error(errc::malformed_data, "the server's seed is no text of 1 to 1024 bytes");
    auto key = key_for(seed.text, settings_.secret ? settings_.secret->view() : std::string_view());
    if (!key) return std::move(key).error();
    return auth_value{auth_kind::text, *std::move(key)};
}

inline result<void> seed_key::client::confirm(const auth_value& verdict) {
    if (verdict.kind == auth_kind::yes) return {};
    return error(errc::unauthenticated, "the server's verdict is OKAY, but not true");
}

inline result<auth_value> seed_key::server::challenge(const auth_value& request) {
    seed_.clear();
    name_.clear();
    if (request.kind == auth_kind::text) {
        if (request.text.size() > longest_name || !detail::is_plain_text(request.text))
            return error(errc::malformed_data, "the request for a seed has no name of 1 to 256 bytes of "
                                               "UTF-8 without control characters");
        name_ = request.text;
    }
    std::array<unsigned char, 32> bytes{};
    if (auto filled = settings_->random(bytes); !filled) return std::move(filled).error();
    seed_ = to_hex(bytes);
    return auth_value{auth_kind::text, seed_};
}

inline result<auth_value> seed_key::server::judge(const auth_value& key) {
    const std::string seed = std::exchange(seed_, {});
    if (seed.empty()) return error(errc::unauthenticated, "a key without a seed of its own");
    // the decoy is made for every name, so that it costs no name more time than another
    const auto decoy = hmac<sha512>(settings_->decoy_key.view(), name_);
    if (!decoy) return decoy.error();
    std::optional<secret_text> known;
    if (settings_->find) known = settings_->find(name_);
    const bool exists = known.has_value() && !known->empty();
    const auto expected = key_for(seed, exists ? known->view() : bytes_of(*decoy));
    if (!expected) return expected.error();
    const bool equal = equal_in_constant_time(*expected, key.text);
    if (equal && exists && key.kind == auth_kind::text) return auth_value{auth_kind::yes, {}};
    return error(errc::unauthenticated, "wrong name or secret");
}

} // namespace portunus

#endif
