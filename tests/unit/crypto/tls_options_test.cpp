// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/tls_options.hpp>

#include "support/catch.hpp"

using namespace portunus;

TEST_CASE("the defaults of TLS are the careful ones") {
    const tls_client_options client;
    CHECK(!client.trust_anybody_without_verification);
    CHECK(client.trust.empty()); // the system's authorities
    CHECK(client.min_version == tls_version::tls1_2);
    CHECK(client.max_version == tls_version::tls1_3);
    const tls_server_options server;
    CHECK(server.min_version == tls_version::tls1_2);
    CHECK(server.max_version == tls_version::tls1_3);
    CHECK(server.alpn_must_match);
    CHECK(server.client_certificates == tls_client_certificates::none);
    CHECK(server.session_tickets);
}
