// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_QUESTION_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_QUESTION_IPP

#include <portunus/http/impl/client_question.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/http/auth_challenge.hpp>
#include <portunus/http/auth_scheme.hpp>
#include <portunus/http/detail/characters.hpp>

namespace portunus::http::detail {

PORTUNUS_DECL std::string origin_of(const url_view& url) {
    std::string key(url.secure() ? "https://" : "http://");
    if (url.is_ipv6) key += '[';
    for (const char c : url.host) key += lower(c);
    if (url.is_ipv6) key += ']';
    return key.append(":").append(std::to_string(url.effective_port()));
}

PORTUNUS_DECL bool is_idempotent(verb method) noexcept {
    switch (method) {
    case verb::get:
    case verb::head:
    case verb::put:
    case verb::delete_:
    case verb::options:
    case verb::trace:
        return true;
    default:
        return false;
    }
}

PORTUNUS_DECL result<void> client_question::read_url() {
    const auto url = parse_url(url_);
    if (!url) {
        const std::size_t begin = url_.find("//");
        const std::string_view rest =
            std::string_view(url_).substr(begin == std::string::npos ? 0 : begin + 2);
        if (rest.substr(0, rest.find_first_of("/?#")).find('@') != std::string_view::npos)
            return error(errc::invalid_address, // not to be quoted
                         "a URL with a user in it: `authenticate` is for users and passwords");
        return url.error();
    }
    const auto& o = client_->options;
    where_.host = url->host;
    where_.port = url->effective_port();
    where_.secure = url->secure();
    where_.resolve_limit = o.resolve_limit;
    where_.connect_limit = o.connect_limit;
    where_.handshake_limit = o.handshake_limit;
    authority_ = url->authority;
    target_ = url->target();
    key_ = origin_of(*url);
    if (where_.secure && !o.dial_secure)
        return error(errc::invalid_option,
                     "https needs TLS: `dial_secure`, as http/https_client.hpp has it, is not set");
    return {};
}

PORTUNUS_DECL const credentials& client_question::who() const noexcept {
    if (!request_.who_.empty() && key_ == first_key_) return request_.who_;
    static const credentials nobody;
    const auto known = client_->known.find(key_);
    return known == client_->known.end() ? nobody : known->second;
}

PORTUNUS_DECL result<void> client_question::append_authorization(std::string& out) {
    authorized_ = false;
    const credentials& me = who();
    if (me.empty()) return {};
    std::unique_ptr<authenticator> basic;
    authenticator* by = nullptr;
    if (me.way() == auth::basic) {
        basic = basic_auth().begin({});
        by = basic.get();
    } else if (const auto proof = client_->proofs.find(key_); proof != client_->proofs.end()) {
        if (proof->second.who.user() == me.user() && proof->second.who.password() == me.password())
            by = proof->second.by.get();
    }
    if (!by) return {};
    auto value = by->answer(me, text_of(method_), target_);
    if (!value) return value.error();
    out.append("Authorization: ").append(*value).append("\r\n");
    value->assign(value->size(), '\0');
    authorized_ = true;
    return {};
}

PORTUNUS_DECL bool client_question::expects() const {
    if (!has_body_ || no_expect_) return false;
    if (request_.expect_) return *request_.expect_;
    if (!request_.write_) return request_.body_.size() >= client_->options.expect_from;
    return !request_.length_ || *request_.length_ >= client_->options.expect_from;
}

PORTUNUS_DECL result<void> client_question::compose() {
    const auto& o = client_->options;
    std::string& out = connection_->out;
    out.clear();
    out.append(text_of(method_)).append(" ").append(target_).append(" HTTP/1.1\r\nHost: ");
    out.append(authority_).append("\r\n");
    bool has_agent = false, has_coding = false, has_authorization = false;
    for (const auto& [name, value] : request_.fields_) {
        const bool secret = same_word(name, "Authorization") || same_word(name, "Cookie") ||
                            same_word(name, "Proxy-Authorization");
        if (secret && crossed_) continue;
        if (!has_body_ && request_.has_body_ && name.size() > 8 && same_word(name.substr(0, 8), "Content-"))
            continue; // the body is gone, by a redirection
        has_authorization = has_authorization || same_word(name, "Authorization");
        has_agent = has_agent || same_word(name, "User-Agent");
        has_coding = has_coding || same_word(name, "Accept-Encoding");
        out.append(name).append(": ").append(value).append("\r\n");
    }
    if (!has_agent && !o.user_agent.empty()) out.append("User-Agent: ").append(o.user_agent).append("\r\n");
    decodes_ = !has_coding && !o.codings.empty();
    if (decodes_) {
        out.append("Accept-Encoding: ");
        for (std::size_t i = 0; i != o.codings.size(); ++i)
            out.append(i == 0 ? "" : ", ").append(o.codings[i].name);
        out.append("\r\n");
    }
    authorized_ = false;
    if (!has_authorization) {
        auto done = append_authorization(out);
        if (!done) return done;
    }
    if (!request_.upgrade_.empty() && !crossed_)
        out.append("Connection: Upgrade\r\nUpgrade: ").append(request_.upgrade_).append("\r\n");
    if (has_body_) {
        if (!request_.type_.empty()) out.append("Content-Type: ").append(request_.type_).append("\r\n");
        if (request_.write_ && !request_.length_)
            out.append("Transfer-Encoding: chunked\r\n");
        else
            out.append("Content-Length: ")
                .append(std::to_string(request_.write_ ? *request_.length_ : request_.body_.size()))
                .append("\r\n");
        if (expects()) out.append("Expect: 100-continue\r\n");
    } else if (method_ == verb::post || method_ == verb::put || method_ == verb::patch) {
        out.append("Content-Length: 0\r\n");
    }
    out.append("\r\n");
    return {};
}

PORTUNUS_DECL result<bool> client_question::judge(const response_head& head) {
    const unsigned code = head.status_code();
    if (code == 417 && expects()) {
        no_expect_ = true;
        return true;
    }
    if (code == 408 && connection_->served > 1 && !repeated_ && is_idempotent(method_)) {
        repeated_ = fresh_ = true; // said to a connection that rested too long, and met our request
        ++client_->counts.repeated;
        return true;
    }
    if (code == 401) return answer_challenge(head);
    if (code == 301 || code == 302 || code == 303 || code == 307 || code == 308) {
        const unsigned most_hops = request_.follow_.value_or(
            client_->options.redirects.follow ? client_->options.redirects.most : 0);
        if (most_hops == 0 || !head.contains(field::location)) return false;
        if (redirects_ == most_hops)
            return error(errc::remote_error, "redirected more than " + std::to_string(most_hops) + " times");
        auto went = follow(head);
        if (!went) return went.error();
        return true;
    }
    return false;
}

PORTUNUS_DECL result<void> client_question::follow(const response_head& head) {
    const auto from = parse_url(url_);
    if (!from) return from.error();
    const auto text = resolve_url(*from, *head.find(field::location));
    if (!text) return error(errc::malformed_frame, "redirected to what is no URL: " + text.error().message());
    const auto to = parse_url(*text);
    if (!to) return to.error();
    if (from->secure() && !to->secure() && !client_->options.redirects.allow_downgrade)
        return error(errc::denied, "a redirection from https to http is not followed");
    if (origin_of(*to) != key_) crossed_ = true;
    const unsigned code = head.status_code();
    const bool becomes_get =
        (code == 303 && method_ != verb::head) || ((code == 301 || code == 302) && method_ == verb::post);
    if (becomes_get) {
        method_ = verb::get;
        has_body_ = false;
    }
    url_ = std::string(*text);
    ++redirects_;
    challenges_ = 0;
    return {};
}

PORTUNUS_DECL bool client_question::answer_challenge(const response_head& head) {
    const credentials& me = who();
    if (me.empty() || challenges_ >= 2) return false;
    std::optional<auth_challenge> best;
    std::shared_ptr<const auth_scheme> way;
    int strength = 0;
    for (const std::string_view value : head.all("WWW-Authenticate"))
        for (auth_challenge& asked : parse_challenges(value)) {
            if (me.way() == auth::digest && !asked.is("Digest")) continue;
            if (me.way() == auth::basic && !asked.is("Basic")) continue;
            for (const auto& scheme : client_->options.schemes) {
                const int n = scheme->strength(asked);
                if (n <= strength) continue;
                strength = n;
                way = scheme;
                best = asked;
            }
        }
    const auto old = client_->proofs.find(key_);
    if (authorized_) {
        const bool stale = best && old != client_->proofs.end() && old->second.by->stale(*best);
        if (!stale) {
            if (old != client_->proofs.end()) client_->proofs.erase(old);
            // A nonce of an earlier call may be unknown to the server by now; a fresh challenge is answered
            // once.
            if (!best || !best->is("Digest") || challenges_ != 0) return false;
        }
    }
    if (!best) return false;
    auto by = way->begin(*best);
    if (!by) return false;
    if (client_->proofs.size() >= client_state::most_proofs) client_->proofs.clear();
    client_->proofs[key_] = {me, std::move(by)};
    ++challenges_;
    return true;
}

} // namespace portunus::http::detail

#endif
