// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/points.hpp>

#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/channel/struct_json.hpp>

#include "support/allocations.hpp"
#include "support/catch.hpp"

#include <boost/describe/class.hpp>

#include <cmath>
#include <string>
#include <vector>

using namespace portunus;

namespace {

struct reading {
    std::string room{};
    double celsius = 0;
    bool ok = false;
    friend bool operator==(const reading&, const reading&) = default;
};
BOOST_DESCRIBE_STRUCT(reading, (), (room, celsius, ok))

constexpr read_of<reading> temperature(data_id(7));
constexpr write_of<double> set_point(data_id(7));
constexpr execute_of<std::vector<std::string>, int> restart(data_id(1));
constexpr execute_of<> beep(data_id(2));
constexpr read_of<int> version(data_id(7), service_id(40));

static_assert(points_are_distinct());
static_assert(points_are_distinct(temperature));
static_assert(points_are_distinct(temperature, set_point, restart, beep, version));
static_assert(!points_are_distinct(temperature, set_point, read_of<int>(data_id(7))));
static_assert(!points_are_distinct(beep, beep));

} // namespace

TEMPLATE_TEST_CASE("a typed request and its answer come back as the values that they were", "", pure_json,
                   struct_json, json_lines) {
    const TestType codec;
    std::string out = "x";
    encode_request(codec, out, temperature);
    const message_view asked = codec.decode(std::string_view(out).substr(1)).value();
    CHECK(asked == message_view{{}, service_id::read_request, data_id(7), "null"});
    CHECK(decode_request(temperature, asked).has_value());

    out.clear();
    const reading kitchen{"kitchen", 21.5, true};
    REQUIRE(encode_reply(codec, out, service_id::read_response, temperature, kitchen));
    const message_view answer = codec.decode(out).value();
    CHECK(answer ==
          message_view{
              {}, service_id::read_response, data_id(7), R"({"room":"kitchen","celsius":21.5,"ok":true})"});
    CHECK(decode_reply(temperature, answer).value() == kitchen);
    reading into;
    REQUIRE(decode_reply(temperature, answer, into));
    CHECK(into == kitchen);

    out.clear();
    REQUIRE(encode_request(codec, out, restart, {"a", "b"}));
    const message_view execute = codec.decode(out).value();
    CHECK(execute.service == service_id::execute_request);
    CHECK(decode_request(restart, execute).value() == std::vector<std::string>{"a", "b"});
}

TEMPLATE_TEST_CASE("in the steady state a typed request and its answer allocate nothing", "", pure_json,
                   struct_json, json_lines) {
#if PORTUNUS_COUNTS_ALLOCATIONS
    const TestType codec;
    const reading kitchen{"a room whose name is too long to stand inside of a string", 21.5, true};
    std::string request, reply;
    reading into;
    const auto exchange = [&] {
        request.clear();
        reply.clear();
        encode_request(codec, request, temperature);
        const auto asked = codec.decode(request);
        if (!asked || !encode_reply(codec, reply, service_id::read_response, temperature, kitchen))
            return false;
        const auto answer = codec.decode(reply);
        return answer && decode_reply(temperature, *answer, into).has_value();
    };
    REQUIRE(exchange());
    const std::size_t before = allocations;
    const bool good = exchange();
    const std::size_t during = allocations - before;
    CHECK(good);
    CHECK(into == kitchen);
    CHECK(during == 0);
    const std::size_t now = allocations;
    request.reserve(request.capacity() + 1);
    CHECK(allocations > now);
#else
    PORTUNUS_SKIP("allocations cannot be counted under a sanitizer");
#endif
}

TEST_CASE("a value that JSON cannot carry is refused, and nothing of the message stays") {
    std::string out = "before";
    const result<void> r = encode_request(pure_json(), out, set_point, std::nan(""));
    CHECK(r.error() == errc::unencodable_payload);
    CHECK(r.error().detail() == "NaN has no form in JSON");
    CHECK(out == "before");
    const reading broken{"\xFF", 0, false};
    CHECK(encode_reply(struct_json(), out, service_id::read_response, temperature, broken).error().detail() ==
          "room: invalid UTF-8 at byte 0 of a string");
    CHECK(out == "before");
}

TEST_CASE("an answer of the wrong shape names the field and the point") {
    const message_view reply{
        {}, service_id::read_response, data_id(7), R"({"room":"k","celsius":"warm","ok":true})"};
    const auto r = decode_reply(temperature, reply);
    REQUIRE(r.has_error());
    CHECK(r.error() == errc::malformed_data);
    CHECK(r.error().detail() == "celsius: expected a number, found a string (service 11, data 7)");
}

TEST_CASE("an answer that is not okay is the error that its status means") {
    const auto outcome = [](message_status status) {
        return decode_reply(temperature, {status, service_id::read_response, data_id(7), "null"}).error();
    };
    CHECK(outcome(message_status::auth_required) == condition::unauthenticated);
    CHECK(outcome(message_status::operation_not_permitted) == condition::denied);
    CHECK(outcome(message_status::callback_error) == condition::remote);
    CHECK(outcome(message_status::service_or_data_unknown).detail() ==
          "status 4 (service or data unknown) from service 11, data 7");
    CHECK(outcome(message_status(77)).detail() == "status 77 from service 11, data 7");
    CHECK_FALSE(status_error({}).code().failed());
}

TEST_CASE("where no value is expected, whatever the peer put there is ignored") {
    CHECK(decode_request(temperature, {{}, temperature.service, temperature.id, "{\"a\":1}"}).has_value());
    CHECK(decode_reply(set_point, {{}, service_id::write_response, set_point.id, "true"}).has_value());
    CHECK(decode_reply(beep, {{}, service_id::execute_response, beep.id, "[]"}).has_value());
}
