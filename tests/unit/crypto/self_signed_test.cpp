// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/self_signed.hpp>

#include "support/catch.hpp"
#include "unit/crypto/tls_support.hpp"

#include <string>
#include <string_view>

using namespace portunus_tests;
using Catch::Matchers::Contains;
using portunus::errc;
using portunus::make_self_signed;
using portunus::self_signed_options;

TEST_CASE("a self-signed certificate is for localhost unless told otherwise, and good for a month") {
    const pem_pair pair = make_self_signed().value();
    const auto x =
        std::move(portunus::detail::load_certificates(pem_source::text(pair.certificate)).value().front());
    CHECK(portunus::detail::names_of(x.get()) ==
          std::vector<std::string>{"DNS:localhost", "IP:127.0.0.1", "IP:::1"});
    CHECK(portunus::detail::text_of(X509_get_subject_name(x.get())) == "CN=localhost");
    int days = 0, seconds = 0;
    CHECK(ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(x.get()), X509_get0_notAfter(x.get())) == 1);
    CHECK(days == 30);
    CHECK(X509_check_ca(x.get()) == 0); // it may sign nobody else
    CHECK(X509_cmp_current_time(X509_get0_notBefore(x.get())) < 0);
    CHECK(EVP_PKEY_get_bits(X509_get0_pubkey(x.get())) == 256);
    CHECK_THAT(pair.key, Catch::Matchers::StartsWith("-----BEGIN PRIVATE KEY-----\n"));
}

TEST_CASE("each certificate has a key and a number of its own") {
    const pem_pair one = make_self_signed().value(), two = make_self_signed().value();
    CHECK(one.key != two.key);
    CHECK(one.certificate != two.certificate);
}

TEST_CASE("the name of a certificate is bounded, its list of names is not cut") {
    self_signed_options options;
    options.names = {std::string(100, 'a') + ".test", "b.test"};
    const pem_pair pair = make_self_signed(options).value();
    const auto x =
        std::move(portunus::detail::load_certificates(pem_source::text(pair.certificate)).value().front());
    CHECK(portunus::detail::text_of(X509_get_subject_name(x.get())) == "CN=" + std::string(64, 'a'));
    CHECK(portunus::detail::names_of(x.get()) ==
          std::vector<std::string>{"DNS:" + std::string(100, 'a') + ".test", "DNS:b.test"});
}

TEST_CASE("what can be no name of a certificate is refused in quotes") {
    self_signed_options options;
    for (const std::string& bad :
         {std::string(), std::string("a b"), std::string("a\nb"), std::string("a,DNS:b"),
          std::string("a\0b", 3), std::string(254, 'x'), std::string("\xc3\xa4.test")}) {
        options.names = {"good.test", bad};
        const auto made = make_self_signed(options);
        CHECK(made.error() == errc::invalid_option);
        CHECK_THAT(made.error().message(), Contains("names: \""));
    }
    options.names = {};
    CHECK(make_self_signed(options).error() == errc::invalid_option);
}
