// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/message.hpp>

#include "support/catch.hpp"

#include <string>

using namespace portunus;

TEST_CASE("the numbers of services, data and statuses are those of the protocol") {
    const auto number = [](auto id) { return static_cast<std::uint32_t>(id); };
    CHECK(number(service_id::auth_request) == 0);
    CHECK(number(service_id::auth_response) == 1);
    CHECK(number(service_id::channel_name_request) == 8);
    CHECK(number(service_id::channel_name_response) == 9);
    CHECK(number(service_id::read_request) == 10);
    CHECK(number(service_id::read_response) == 11);
    CHECK(number(service_id::write_request) == 20);
    CHECK(number(service_id::write_response) == 21);
    CHECK(number(service_id::execute_request) == 30);
    CHECK(number(service_id::execute_response) == 31);
    CHECK(number(data_id::auth_seed) == 0);
    CHECK(number(data_id::auth_key) == 1);
    CHECK(number(data_id::channel_name) == 0);
    CHECK(number(message_status::okay) == 0);
    CHECK(number(message_status::buffering_unhandled_request) == 1);
    CHECK(number(message_status::callback_error) == 2);
    CHECK(number(message_status::auth_required) == 3);
    CHECK(number(message_status::service_or_data_unknown) == 4);
    CHECK(number(message_status::checksum_error) == 5);
    CHECK(number(message_status::operation_not_permitted) == 6);
}

TEST_CASE("a message without data carries null and the status okay") {
    CHECK(message_view().data == "null");
    CHECK(message().data == "null");
    CHECK(message().status == message_status::okay);
}

TEST_CASE("a message keeps what the view that it was made from saw") {
    std::string buffer = "[1,2]";
    const message kept(message_view{message_status(9), service_id(40), data_id(7), buffer});
    buffer = "xxxxx";
    CHECK(kept.view() == message_view{message_status(9), service_id(40), data_id(7), "[1,2]"});
    CHECK(kept == message(message_status(9), service_id(40), data_id(7), "[1,2]"));
}
