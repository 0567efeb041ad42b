// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/services.hpp>

#include "support/catch.hpp"

#include <array>
#include <string>
#include <utility>

using namespace portunus;

TEST_CASE("the services of the protocol are there, each request with its response") {
    const service_table services;
    const std::pair<service_id, service_id> pairs[] = {
        {service_id::auth_request, service_id::auth_response},
        {service_id::channel_name_request, service_id::channel_name_response},
        {service_id::read_request, service_id::read_response},
        {service_id::write_request, service_id::write_response},
        {service_id::execute_request, service_id::execute_response},
    };
    for (const auto& [request, response] : pairs) {
        CHECK(services.response_of(request) == response);
        CHECK(services.request_of(response) == request);
        CHECK(services.is_request(request));
        CHECK_FALSE(services.is_request(response));
        CHECK(services.is_response(response));
        CHECK_FALSE(services.is_response(request));
    }
    CHECK_FALSE(services.response_of(service_id(2)));
    CHECK_FALSE(services.is_response(service_id(40)));
}

TEST_CASE("a service of the program's own is answered like the others") {
    service_table services;
    services.add_service(service_id(40), service_id(41), "subscribe", "event");
    services.add_service(service_id(0xffffffff), service_id(50));
    CHECK(services.response_of(service_id(40)) == service_id(41));
    CHECK(services.response_of(service_id(0xffffffff)) == service_id(50));
    CHECK(services.name_of(service_id(41)) == "event");
    CHECK(services.name_of(service_id(50)).empty());
}

TEST_CASE("a service whose number is taken is refused with the names of both, and nothing is added") {
    service_table services;
    const auto refused = [&](unsigned request, unsigned response) {
        const error e = services.try_add_service(service_id(request), service_id(response), "peek", "seen");
        CHECK(e == errc::invalid_option);
        CHECK(e == condition::malformed);
        return std::string(e.detail());
    };
    CHECK(refused(10, 41) == "request peek (10) is taken by the service read request (10) / read "
                             "response (11)");
    CHECK(refused(40, 11) == "response seen (11) is taken by the service read request (10) / read "
                             "response (11)");
    CHECK(refused(40, 10).find("response seen (10) is taken") == 0);
    CHECK(refused(11, 41).find("request peek (11) is taken") == 0);
    CHECK(refused(40, 40) == "the service peek (40) would answer to itself");
    CHECK_FALSE(services.is_request(service_id(40)));
    CHECK_FALSE(services.is_response(service_id(41)));
    CHECK_THROWS_AS(services.add_service(service_id::read_request, service_id(41)), failure);
}

TEST_CASE("a message is described by the names of its numbers, and by the numbers where there is no name") {
    service_table services;
    services.add_data(service_id::read_request, data_id(7), "heat");
    services.add_data(std::array{service_id::read_request, service_id::read_response}, data_id(7),
                      "temperature");
    services.add_status(message_status(100), "warming up");
    services.add_status(message_status::okay, "fine");
    CHECK(services.describe(message_view{{}, service_id::read_response, data_id(7), "\"secret\""}) ==
          "read response (11), temperature (7), fine (0)");
    CHECK(services.describe(message_view{message_status(100), service_id(40), data_id(3), "1"}) ==
          "40, data 3, warming up (100)");
    CHECK(services.name_of(service_id::read_request, data_id(7)) == "temperature");
    CHECK(services.name_of(service_id::write_request, data_id(7)).empty());
    CHECK(services.name_of(service_id::auth_response, data_id::auth_key) == "key");
    CHECK(services.name_of(service_id::channel_name_request, data_id::channel_name) == "channel name");
    CHECK(services.name_of(message_status(101)).empty());
    CHECK(services.describe(message_status::auth_required) == "authentication required (3)");
}
