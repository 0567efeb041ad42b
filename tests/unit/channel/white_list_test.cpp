// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/white_list.hpp>

#include "support/catch.hpp"

using namespace portunus;

TEST_CASE("the handshake and the channel's name need no authentication, and this cannot be taken back") {
    white_list list;
    struct row {
        std::uint32_t service, id;
    };
    const row r = GENERATE(row{0, 0}, row{0, 1}, row{1, 0}, row{1, 1}, row{8, 0}, row{9, 0});
    CHECK(list.contains(service_id(r.service), data_id(r.id)));
    CHECK_FALSE(list.remove(service_id(r.service), data_id(r.id)));
    CHECK(list.contains(service_id(r.service), data_id(r.id)));
    CHECK(list.size() == 6);
    CHECK_FALSE(list.contains(service_id(8), data_id(1)));
    CHECK_FALSE(list.contains(service_id(0), data_id(2)));
}

TEST_CASE("exactly the pairs of numbers that were added are on the white list") {
    white_list list;
    list.add(service_id::read_request, data_id(7)).add(service_id::read_request, data_id(7));
    CHECK(list.size() == 7);
    CHECK(list.contains(service_id::read_request, data_id(7)));
    CHECK_FALSE(list.contains(service_id::read_request, data_id(8)));
    CHECK_FALSE(list.contains(service_id::write_request, data_id(7)));
    CHECK_FALSE(list.contains(service_id(7), data_id(10)));
    CHECK(list.remove(service_id::read_request, data_id(7)));
    CHECK_FALSE(list.remove(service_id::read_request, data_id(7)));
    CHECK_FALSE(list.contains(service_id::read_request, data_id(7)));
}
