// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/hmac.hpp>

#include "support/catch.hpp"

#include <string>

using portunus::hmac;
using portunus::sha256;
using portunus::sha512;
using portunus::to_hex;

TEST_CASE("HMAC gives the digests of RFC 4231") {
    struct row {
        std::string key, message, sha256, sha512;
    };
    const row r =
        GENERATE_COPY(row{std::string(20, '\x0b'), "Hi There",
                          "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7",
                          "87aa7cdea5ef619d4ff0b4241a1d6cb02379f4e2ce4ec2787ad0b30545e17cde"
                          "daa833b7d6b8a702038b274eaea3f4e4be9d914eeb61f1702e696c203a126854"},
                      row{"Jefe", "what do ya want for nothing?",
                          "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                          "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
                          "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
                      row{std::string(131, '\xaa'), "Test Using Larger Than Block-Size Key - Hash Key First",
                          "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
                          "80b24263c7c1a3ebb71493c1dd7be8b49b46d1f41b4aeec1121b013783f8f352"
                          "6b56d037e05f2598bd0fd2215d6a1e5295e64f73f63f0aec8b915a985d786598"});
    CHECK(to_hex(hmac<sha256>(r.key, r.message).value()) == r.sha256);
    CHECK(to_hex(hmac<sha512>(r.key, r.message).value()) == r.sha512);
}

TEST_CASE("an empty key is a key, whatever was computed before") {
    const auto empty = hmac<sha256>("", "").value();
    CHECK(to_hex(empty) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    CHECK(hmac<sha256>("key", "").value() != empty);
    CHECK(hmac<sha256>({}, {}).value() == empty);
}
