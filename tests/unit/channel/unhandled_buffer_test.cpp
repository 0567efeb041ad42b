// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/unhandled_buffer.hpp>

#include "support/catch.hpp"

#include <string>

using namespace portunus;

namespace {
message of(std::uint32_t service, std::uint32_t id, std::string data) {
    return message(message_status::okay, service_id(service), data_id(id), std::move(data));
}
std::string taken(unhandled_buffer& from, std::uint32_t service, std::uint32_t id) {
    const auto found = from.take(service_id(service), data_id(id));
    return found ? found->data : "nothing";
}
} // namespace

TEST_CASE("messages come out of the buffer by their numbers, the oldest first") {
    unhandled_buffer kept;
    CHECK(kept.put(of(10, 1, "1")));
    CHECK(kept.put(of(10, 2, "2")));
    CHECK(kept.put(of(10, 1, "3")));
    CHECK(kept.put(of(20, 1, "4")));
    CHECK(taken(kept, 10, 3) == "nothing");
    CHECK(taken(kept, 10, 1) == "1");
    CHECK(taken(kept, 10, 1) == "3");
    CHECK(taken(kept, 10, 1) == "nothing");
    CHECK(taken(kept, 20, 1) == "4");
    CHECK(taken(kept, 10, 2) == "2");
    CHECK(kept.size() == 0);
    CHECK(kept.bytes() == 0);
    CHECK(kept.dropped() == 0);
}

TEST_CASE("when too many messages are kept the oldest is dropped and counted") {
    unhandled_buffer kept({.most_messages = 3, .most_bytes = 100'000});
    for (int i = 0; i < 5; ++i) CHECK(kept.put(of(10, 1, std::to_string(i))));
    CHECK(kept.size() == 3);
    CHECK(kept.dropped() == 2);
    CHECK(taken(kept, 10, 1) == "2");
}

TEST_CASE("when too many bytes are kept as many of the oldest are dropped as it takes") {
    unhandled_buffer kept({.most_messages = 100, .most_bytes = 1000});
    for (int i = 0; i < 5; ++i) CHECK(kept.put(of(10, 1, std::string(100, static_cast<char>('a' + i)))));
    CHECK(kept.bytes() == 5 * 164);
    CHECK(kept.put(of(10, 1, std::string(600, 'x'))));
    CHECK(kept.dropped() == 3);
    CHECK(kept.bytes() == 2 * 164 + 664);
    CHECK(kept.put(of(10, 2, std::string(936, 'y')))); // exactly all of it
    CHECK(kept.size() == 1);
    CHECK_FALSE(kept.put(of(10, 2, std::string(937, 'z'))));
    CHECK(kept.size() == 1);
    CHECK(kept.dropped() == 7);
    kept.clear();
    CHECK(kept.bytes() == 0);
    CHECK(kept.dropped() == 7);
    unhandled_buffer nothing({.most_messages = 0, .most_bytes = 1000});
    CHECK_FALSE(nothing.put(of(1, 1, "")));
}
