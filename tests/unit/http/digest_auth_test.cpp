// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/digest_auth.hpp>

#include "support/catch.hpp"

using namespace portunus::http;
using Catch::Matchers::Contains;

namespace {
auth_challenge asked(std::string_view text) {
    return parse_challenges(text).at(0);
}
std::string hex(std::initializer_list<std::string_view> parts) {
    std::string all;
    for (const auto part : parts) all += part;
    return portunus::to_hex(portunus::sha256::of(all).value());
}
digest_authenticator opened(std::string_view text, std::string cnonce) {
    return digest_authenticator::open(asked(text), [cnonce] { return cnonce; }).value();
}
} // namespace

TEST_CASE("the answers are those of RFC 7616 3.9.1, with SHA-256 and with MD5") {
    const std::string common = "realm=\"http-auth@example.org\", qop=\"auth, auth-int\", "
                               "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "
                               "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"";
    const std::string cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
    const credentials who("Mufasa", "Circle of Life");
    auto sha = opened("Digest " + common + ", algorithm=SHA-256", cnonce);
    const std::string text = sha.answer(who, "GET", "/dir/index.html").value();
    CHECK(text ==
          "Digest username=\"Mufasa\", realm=\"http-auth@example.org\", "
          "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", uri=\"/dir/index.html\", "
          "algorithm=SHA-256, response=\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\", "
          "qop=auth, nc=00000001, cnonce=\"f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ\", "
          "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"");
    auto md5 = opened("Digest " + common + ", algorithm=MD5", cnonce);
    CHECK_THAT(md5.answer(who, "GET", "/dir/index.html").value(),
               Contains("response=\"8ca523f5e9506fed4657c9700eebdbec\""));
    CHECK_THAT(md5.answer(who, "GET", "/dir/index.html").value(), Contains("nc=00000002"));
}

TEST_CASE("a challenge without qop is answered as RFC 2069 had it, and a session by its own secret") {
    auto old =
        opened("Digest realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"", "");
    const credentials who("Mufasa", "CircleOfLife");
    const std::string text = old.answer(who, "GET", "/dir/index.html").value();
    CHECK_THAT(text, Contains("response=\"1949323746fe6a43ef61f9606e7febea\"")); // RFC 2069, erratum 749
    CHECK_THAT(text, !Contains("cnonce") && !Contains("algorithm"));
    auto session = opened("Digest realm=r, nonce=n, qop=auth, algorithm=SHA-256-sess", "c");
    const std::string secret = hex({hex({"u:r:p"}), ":n:c"});
    const std::string request = hex({"GET:/"});
    CHECK_THAT(session.answer(credentials("u", "p"), "GET", "/").value(),
               Contains(hex({secret, ":n:00000001:c:auth:", request})));
}

TEST_CASE("a challenge that cannot be answered is told apart, and the strongest counts most") {
    for (const char* bad :
         {"Basic realm=x", "Digest realm=x", "Digest nonce=x", "Digest realm=x, nonce=y, algorithm=SHA-1",
          "Digest realm=x, nonce=y, qop=auth-int", "Digest realm=x, nonce=y, algorithm=MD5-sess"}) {
        INFO(bad);
        CHECK(digest_authenticator::open(asked(bad)).error() == portunus::errc::unauthenticated);
        CHECK(digest_auth().strength(asked(bad)) == 0);
    }
    CHECK(digest_auth().strength(asked("Digest realm=x, nonce=y")) == 2);
    CHECK(digest_auth().strength(asked("digest realm=x, nonce=y, algorithm=sha-256, qop=auth")) == 3);
    CHECK(basic_auth().strength(asked("Basic realm=x")) == 1);
    auto d = opened("Digest realm=x, nonce=y", "");
    CHECK(d.stale(asked("Digest realm=x, nonce=z, stale=true")));
    CHECK_FALSE(d.stale(asked("Digest realm=x, nonce=z")));
    CHECK_FALSE(d.stale(asked("Digest realm=x, nonce=y, stale=true")));
}

TEST_CASE("what a user is called cannot end the quotes that it stands in") {
    auto d = opened("Digest realm=\"a\\\"b\", nonce=y", "");
    CHECK_THAT(d.answer(credentials("u\"x", "p"), "GET", "/").value(),
               Contains("username=\"u\\\"x\"") && Contains("realm=\"a\\\"b\""));
}
