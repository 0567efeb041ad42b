// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/hash.hpp>

#include <portunus/testing/grind.hpp>

#include "support/catch.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>

using portunus::sha256;
using portunus::sha512;
using portunus::to_hex;

// FIPS 180-4, the examples of NIST
TEST_CASE("SHA-256 and SHA-512 give the digests of the standard's examples") {
    CHECK(to_hex(sha256::of("").value()) ==
          "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(to_hex(sha256::of("abc").value()) ==
          "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(to_hex(sha256::of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq").value()) ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(to_hex(sha256::of(std::string(1'000'000, 'a')).value()) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(to_hex(sha512::of("abc").value()) ==
          "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
          "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    CHECK(to_hex(sha512::of("").value()) ==
          "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
          "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
}

TEST_CASE("a hash does not depend on how its bytes come") {
    const std::string text = "the quick brown fox jumps over the lazy dog";
    const std::string whole = portunus::testing::grind(text, [](std::span<const std::string_view> pieces) {
        sha256 sum;
        for (const std::string_view piece : pieces) sum.update(piece);
        return to_hex(sum.finish().value());
    });
    CHECK(whole == to_hex(sha256::of(text).value()));
}

TEST_CASE("a hash begins anew when it has been finished, and can be moved in between") {
    sha512 sum;
    CHECK(to_hex(sum.finish().value()) == to_hex(sha512::of("").value()));
    sum.update("ab");
    sha512 moved(std::move(sum));
    CHECK(moved.update("c").finish().value() == sha512::of("abc").value());
    CHECK(moved.update("abc").finish().value() == sha512::of("abc").value());
}
