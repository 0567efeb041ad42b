// SPDX-License-Identifier: BSL-1.0
#include <portunus/crypto/secret.hpp>

#include "support/catch.hpp"

#include <array>
#include <string>
#include <type_traits>
#include <utility>

using portunus::secret_bytes;
using portunus::secret_text;

namespace {
template <class T>
concept printable = requires(std::ostream& out, const T& value) {
    out << value;
};
} // namespace

TEST_CASE("a secret cannot be printed, and is copied only by name") {
    STATIC_REQUIRE_FALSE(printable<secret_text>);
    STATIC_REQUIRE_FALSE(printable<secret_bytes<32>>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<secret_text>);
    STATIC_REQUIRE_FALSE(std::is_copy_assignable_v<secret_text>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<secret_bytes<32>>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<const char*, secret_text>);
    const secret_text one("open sesame");
    const secret_text other = one.copy();
    CHECK(one.view() == "open sesame");
    CHECK(other.view() == "open sesame");
}

TEST_CASE("a string that becomes a secret is overwritten, whether its text stood in it or on the heap") {
    for (std::string text : {std::string("short"), std::string(200, 'k')}) {
        const std::string expected = text;
        const char* const where = text.data();
        const secret_text secret(std::move(text));
        CHECK(secret.view() == expected);
        CHECK(text.empty());                         // NOLINT: that is what is tested
        REQUIRE(text.capacity() >= expected.size()); // the memory is still the string's
        CHECK(text.data() == where);
        text.resize(1);
        for (std::size_t i = 1; i < expected.size(); ++i) CHECK(where[i] == '\0');
    }
}

TEST_CASE("a moved secret leaves nothing behind") {
    secret_text from("open sesame");
    const char* const where = from.view().data();
    secret_text to(std::move(from));
    CHECK(from.empty()); // NOLINT
    CHECK(to.view().data() == where);
    from = std::move(to);
    CHECK(from.view() == "open sesame");
    from.clear();
    CHECK(from.empty());

    secret_bytes<4> key({1, 2, 3, 4});
    const secret_bytes<4> taken(std::move(key));
    CHECK(taken.bytes() == std::array<unsigned char, 4>{1, 2, 3, 4});
    CHECK(key.bytes() == std::array<unsigned char, 4>{}); // NOLINT
}

TEST_CASE("bytes are wiped when their secret is destroyed") {
    alignas(secret_bytes<16>) unsigned char place[sizeof(secret_bytes<16>)];
    std::array<unsigned char, 16> bytes{};
    bytes.fill(0xAB);
    auto* const key = new (place) secret_bytes<16>(bytes);
    CHECK(place[0] == 0xAB);
    key->~secret_bytes<16>();
    const volatile unsigned char* const seen = place;
    for (std::size_t i = 0; i < 16; ++i) CHECK(seen[i] == 0);
}
