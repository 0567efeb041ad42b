// SPDX-License-Identifier: BSL-1.0
// Both machines against each other, with everything in between that can happen to messages and connections,
// in every order. A plain description of what is allowed runs beside them.
#include <portunus/channel/auth_client.hpp>
#include <portunus/channel/auth_server.hpp>

#include <portunus/channel/scram_sha_256.hpp>
#include <portunus/channel/seed_key.hpp>

#include "support/catch.hpp"
#include "unit/channel/auth_support.hpp"

#include <deque>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

using namespace portunus_tests;

namespace {

class world {
  public:
    enum event { begin, to_server_one, to_client_one, time, cut, replay, lose, ask_again, everything };

    explicit world(bool right_secret)
        : client_(seed_key::client({.secret = right_secret ? secret() : other()}), {.auto_auth = false}),
          server_(seed_key::server(house()), {.before_trust = 0ms, .most_failures = 1000}),
          right_secret_(right_secret) {
        connect();
    }

    void happen(event e) {
        switch (e) {
        case begin:
            by_client(client_.start(now_));
            break;
        case to_server_one:
            if (up_.empty()) break;
            reach_server(take(up_));
            break;
        case to_client_one:
            if (down_.empty()) break;
            by_client(client_.received(take(down_), now_));
            break;
        case time:
            now_ += 2s;
            by_client(client_.timed_out(now_));
            by_server(server_.timed_out(now_));
            if (!model_trusted_) live_seed_.clear();
            break;
        case cut:
            client_.disconnected();
            server_.disconnected();
            connect();
            break;
        case replay:
            if (seen_key_) reach_server(*seen_key_);
            break;
        case lose:
            if (!up_.empty()) up_.pop_front();
            break;
        default: // somebody else's request in the client's connection
            reach_server(to_server(data_id::auth_seed, "null"));
        }
        check();
    }

    /// Nothing is left to happen but the end of all limits.
    void rest() {
        for (int i = 0; i < 8; ++i) {
            happen(to_server_one);
            happen(to_client_one);
        }
        happen(time);
        CHECK_FALSE(client_.deadline());
        CHECK_FALSE(server_.deadline());
        CHECK((client_.state() == auth_state::untrusted || client_.is_trusted()));
        CHECK((server_.state() == auth_state::untrusted || server_.is_trusted()));
    }

    bool both_trust() const { return client_.is_trusted() && server_.is_trusted(); }

  private:
    static const std::shared_ptr<const secret_text>& secret() {
        static const auto one = std::make_shared<const secret_text>("the secret");
        return one;
    }
    static const std::shared_ptr<const secret_text>& other() {
        static const auto one = std::make_shared<const secret_text>("no secret");
        return one;
    }
    static const std::shared_ptr<const seed_key_server_settings>& house() {
        static const auto one = seed_key_server_settings::one_secret(secret());
        return one;
    }

    void connect() {
        up_.clear();
        down_.clear();
        live_seed_.clear();
        model_trusted_ = granted_ = closing_ = false;
        client_.connected(now_);
        server_.connected(now_);
    }
    static message take(std::deque<message>& from) {
        message m = std::move(from.front());
        from.pop_front();
        return m;
    }

    void reach_server(const message& m) {
        if (m.id == data_id::auth_key) {
            const std::string right =
                live_seed_.empty() ? std::string()
                                   : "\"" + seed_key::key_for(live_seed_, secret()->view()).value() + "\"";
            model_trusted_ = !live_seed_.empty() && m.data == right;
            granted_ = granted_ || model_trusted_;
            live_seed_.clear();
        } else {
            model_trusted_ = false;
        }
        const auth_step step = server_.received(m, now_);
        if (step.send && step.send->id == data_id::auth_seed)
            live_seed_ = detail::read_json_scalar(step.send->data).text;
        by_server(step);
    }
    void by_client(const auth_step& step) {
        if (step.send) up_.push_back(*step.send);
        if (step.send && step.send->id == data_id::auth_key) seen_key_ = step.send;
        if (step.close) closing_ = true;
    }
    void by_server(const auth_step& step) {
        if (step.send) down_.push_back(*step.send);
        if (step.close) closing_ = true;
    }

    void check() {
        // a replay may carry the one key that the live seed waits for, but only in this connection
        const auto expected = model_trusted_       ? auth_state::trusted
                              : live_seed_.empty() ? auth_state::untrusted
                                                   : auth_state::seed_transferred;
        if (server_.state() != expected) FAIL("server: " << server_.state() << ", allowed: " << expected);
        if (client_.is_trusted() && !granted_) FAIL("the client trusts though nobody has granted");
        if (!right_secret_ && (client_.is_trusted() || server_.is_trusted()))
            FAIL("trusted with a wrong secret");
        if (closing_) {
            client_.disconnected();
            server_.disconnected();
            connect();
        }
    }

    auth_client<seed_key> client_;
    auth_server<seed_key> server_;
    bool right_secret_;
    time_point now_ = t0;
    std::deque<message> up_, down_;
    std::optional<message> seen_key_;
    std::string live_seed_;
    bool model_trusted_ = false, granted_ = false, closing_ = false;
};

} // namespace

TEST_CASE("no order of up to six events makes either machine trust without a right key, or wait for ever") {
    std::size_t trusted = 0;
    for (std::size_t length = 1; length <= 6; ++length) {
        std::size_t orders = 1;
        for (std::size_t i = 0; i < length; ++i) orders *= 6;
        for (std::size_t order = 0; order < orders; ++order) {
            world w(true);
            for (std::size_t i = 0, rest = order; i < length; ++i, rest /= 6)
                w.happen(static_cast<world::event>(rest % 6));
            trusted += w.both_trust();
            if (order % 64 == 0) w.rest();
        }
    }
    CHECK(trusted > 0);
}

TEST_CASE("no long walk through the events makes a machine trust with a wrong secret, or leaves it waiting") {
    std::mt19937 random(3);
    for (const bool right : {true, false})
        for (int walk = 0; walk < 100; ++walk) {
            world w(right);
            std::size_t trusted = 0;
            for (int i = 0; i < 100; ++i) {
                w.happen(static_cast<world::event>(random() % world::everything));
                trusted += w.both_trust();
            }
            w.rest();
            if (!right) REQUIRE(trusted == 0);
        }
}

TEST_CASE("the two machines agree with SCRAM, and a wrong secret leaves both untrusted") {
    for (const bool right : {true, false}) {
        auto house = std::make_shared<scram_server_settings>();
        house->find = [](std::string_view name) -> std::optional<scram_credentials> {
            if (name == "kitchen") return scram_credentials::make("open sesame", 4096).value();
            return std::nullopt;
        };
        scram_client_settings settings;
        settings.name = "kitchen";
        settings.secret = std::make_shared<const secret_text>(right ? "open sesame" : "open barley");
        auth_client<scram_sha_256> client{scram_sha_256::client(settings)};
        auth_server<scram_sha_256> server{scram_sha_256::server(house)};
        server.connected(t0);
        auth_step step = client.connected(t0);
        for (int i = 0; i < 2; ++i) {
            REQUIRE(step.send);
            const auth_step back = server.received(*step.send, t0);
            REQUIRE(back.send);
            CHECK(back.trusted == (right && i == 1));
            step = client.received(*back.send, t0);
        }
        CHECK(step.trusted == right);
        CHECK((step.failed == errc::unauthenticated) == !right);
        CHECK(server.is_trusted() == right);
        CHECK(server.peer_name() == (right ? "kitchen" : ""));
    }
}
