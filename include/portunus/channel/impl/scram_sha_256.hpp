// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_IMPL_SCRAM_SHA_256_HPP
#define PORTUNUS_CHANNEL_IMPL_SCRAM_SHA_256_HPP

#include <portunus/channel/scram_sha_256.hpp>

#include <portunus/channel/detail/scram_keys.hpp>
#include <portunus/channel/detail/scram_text.hpp>
#include <portunus/core/base64.hpp>
#include <portunus/crypto/constant_time.hpp>

#include <array>

namespace portunus {

inline result<std::string> random_nonce() {
    const auto bytes = random_array<18>();
    if (!bytes) return bytes.error();
    return base64_encode(bytes_of(*bytes));
}

// --- the client

inline result<auth_value> scram_sha_256::client::begin() {
    bare_.clear();
    answered_ = false;
    expected_.clear();
    if (!detail::is_scram_name(settings_.name))
        return error(errc::invalid_option,
                     "a name for SCRAM has 1 to 256 bytes of UTF-8 and no control characters");
    if (!has_secret() || !detail::is_scram_secret(settings_.secret->view()))
        return error(errc::invalid_option,
                     "a secret for SCRAM has 1 to 1024 bytes of UTF-8 and no control characters");
    auto nonce = settings_.nonce();
    if (!nonce) return std::move(nonce).error();
    if (!detail::is_scram_nonce(*nonce)) return error(errc::invalid_option, "what cannot be a nonce");
    nonce_ = *std::move(nonce);
    bare_ = "n=" + detail::write_scram_name(settings_.name) + ",r=" + nonce_;
    return auth_value{auth_kind::text, (binding_.empty() ? "n,," : "p=tls-exporter,,") + bare_};
}

inline result<auth_value> scram_sha_256::client::answer(const auth_value& seed) {
    const std::string bare = std::exchange(bare_, {});
    if (bare.empty()) return detail::bad_scram("a challenge that nobody asked for");
    if (seed.kind != auth_kind::text) return detail::bad_scram("the challenge is no text");
    auto first = detail::read_server_first(seed.text);
    if (!first) return std::move(first).error();
    if (first->nonce.size() <= nonce_.size() || !first->nonce.starts_with(nonce_))
        return detail::bad_scram("the server's nonce does not continue ours");
    if (first->iterations < settings_.least_iterations || first->iterations > settings_.most_iterations)
        return error(errc::denied, "SCRAM: the server asks for " + std::to_string(first->iterations) +
                                       " iterations; allowed are " +
                                       std::to_string(settings_.least_iterations) + " to " +
                                       std::to_string(settings_.most_iterations));
    auto keys = detail::make_scram_keys(settings_.secret->view(), first->salt, first->iterations);
    if (!keys) return std::move(keys).error();
    const std::string header = binding_.empty() ? "n,," : "p=tls-exporter,,";
    const std::string final = "c=" + base64_encode(header + binding_) + ",r=" + std::string(first->nonce);
    const std::string dialogue = bare + "," + seed.text + "," + final;
    auto signature = detail::scram_hmac(keys->stored.view(), dialogue);
    if (!signature) return std::move(signature).error();
    auto expected = detail::scram_hmac(keys->server.view(), dialogue);
    if (!expected) return std::move(expected).error();
    expected_ = *std::move(expected);
    answered_ = true;
    const auto proof = detail::exclusive_or(keys->client, signature->view());
    return auth_value{auth_kind::text, final + ",p=" + base64_encode(proof.view())};
}

inline result<void> scram_sha_256::client::confirm(const auth_value& verdict) {
    const secret_bytes<32> expected = std::exchange(expected_, {});
    if (!std::exchange(answered_, false)) return detail::bad_scram("a verdict that nobody waits for");
    if (verdict.kind != auth_kind::text)
        return error(errc::unauthenticated, "SCRAM: the server grants without a signature");
    auto signature = detail::read_server_final(verdict.text);
    if (!signature) return std::move(signature).error();
    if (equal_in_constant_time(*signature, expected.view())) return {};
    return error(errc::unauthenticated,
                 "SCRAM: the server's signature is wrong, it does not know the secret");
}

// --- the server

/// Those of the name, or such that look like it. The decoys are made either way, for the sake of the time.
inline result<scram_credentials> scram_sha_256::server::credentials_for(std::string_view name) {
    scram_credentials decoy;
    decoy.iterations = settings_->decoy_iterations;
    const auto made = [&](std::string_view what) {
        return detail::scram_hmac(settings_->decoy_key.view(), std::string(what).append(name));
    };
    auto salt = made("salt "), stored = made("stored key "), own = made("server key ");
    for (const auto* each : {&salt, &stored, &own})
        if (!*each) return each->error();
    decoy.salt = std::string(salt->view().substr(0, scram_credentials::salt_size));
    decoy.stored_key = *std::move(stored);
    decoy.server_key = *std::move(own);
    std::optional<scram_credentials> known;
    if (settings_->find) known = settings_->find(name);
    exists_ = known.has_value() && !known->salt.empty() && known->iterations != 0;
    return exists_ ? *std::move(known) : std::move(decoy);
}

inline result<auth_value> scram_sha_256::server::challenge(const auth_value& request) {
    dialogue_.clear();
    name_.clear();
    if (request.kind != auth_kind::text)
        return detail::bad_scram("the request for a challenge is no text: the client speaks another scheme");
    auto first = detail::read_client_first(request.text);
    if (!first) return std::move(first).error();
    const bool can_bind = !binding_.empty();
    if (first->binding_flag == 'p' && (!can_bind || first->binding_name != "tls-exporter"))
        return error(errc::denied, "SCRAM: the client binds to a channel that this server does not know");
    if (first->binding_flag == 'y' && can_bind)
        return error(errc::denied, "SCRAM: the client was told that this server cannot bind: somebody is in "
                                   "between, or the client is not configured for it");
    if (first->binding_flag == 'n' && can_bind && !settings_->accept_unbound)
        return error(errc::denied, "SCRAM: the client does not bind to the channel");
    auto nonce = settings_->nonce();
    if (!nonce) return std::move(nonce).error();
    nonce_ = std::string(first->nonce) + *nonce;
    auto credentials = credentials_for(first->name);
    if (!credentials) return std::move(credentials).error();
    credentials_ = *std::move(credentials);
    name_ = std::move(first->name);
    bound_ = std::string(first->header);
    if (first->binding_flag == 'p') bound_ += binding_;
    std::string answer = "r=" + nonce_ + ",s=" + base64_encode(credentials_.salt) +
                         ",i=" + std::to_string(credentials_.iterations);
    dialogue_ = std::string(first->bare) + "," + answer;
    return auth_value{auth_kind::text, std::move(answer)};
}

inline result<auth_value> scram_sha_256::server::judge(const auth_value& key) {
    const std::string dialogue = std::exchange(dialogue_, {});
    const scram_credentials known = std::exchange(credentials_, {});
    const bool exists = std::exchange(exists_, false);
    if (dialogue.empty()) return error(errc::unauthenticated, "a proof without a challenge of its own");
    if (key.kind != auth_kind::text) return detail::bad_scram("the proof is no text");
    auto last = detail::read_client_final(key.text);
    if (!last) return std::move(last).error();
    if (last->nonce != nonce_) return error(errc::unauthenticated, "SCRAM: a proof for another challenge");
    if (!equal_in_constant_time(last->binding, bound_))
        return error(errc::unauthenticated, "SCRAM: a proof for another connection");
    const std::string whole = dialogue + "," + std::string(last->without_proof);
    auto signature = detail::scram_hmac(known.stored_key.view(), whole);
    if (!signature) return std::move(signature).error();
    const auto client_key = detail::exclusive_or(*signature, last->proof);
    const auto stored = sha256::of(client_key.view());
    if (!stored) return stored.error();
    auto verdict = detail::scram_hmac(known.server_key.view(), whole);
    if (!verdict) return std::move(verdict).error();
    const bool equal = equal_in_constant_time(bytes_of(*stored), known.stored_key.view());
    if (!equal || !exists) return error(errc::unauthenticated, "wrong name or secret");
    return auth_value{auth_kind::text, "v=" + base64_encode(verdict->view())};
}

} // namespace portunus

#endif
