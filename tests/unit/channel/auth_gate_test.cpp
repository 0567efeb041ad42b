// SPDX-License-Identifier: BSL-1.0
#include <portunus/channel/auth_gate.hpp>

#include "support/catch.hpp"

using namespace portunus;

TEST_CASE("whoever is not trusted is told so, gets no answer, or is let in by the white list") {
    service_table services;
    services.add_service(service_id(40), service_id(41));
    white_list open;
    open.add(service_id::read_request, data_id(7));
    struct row {
        std::uint32_t service, id;
        bool passes;
        std::uint32_t answered_by; ///< 0: by nothing
    };
    const row r = GENERATE(row{0, 0, true, 0}, row{8, 0, true, 0}, row{10, 7, true, 0}, row{10, 8, false, 11},
                           row{20, 7, false, 21}, row{40, 1, false, 41}, row{11, 7, false, 0},
                           row{50, 7, false, 0}, row{8, 1, false, 9});
    CAPTURE(r.service, r.id);
    const message m(message_status::okay, service_id(r.service), data_id(r.id), "{\"a\":1}");
    const gate_answer told = pass_gate(false, open, services, m);
    CHECK(told.open == r.passes);
    REQUIRE(told.refusal.has_value() == (r.answered_by != 0));
    if (told.refusal)
        CHECK(*told.refusal ==
              message(message_status::auth_required, service_id(r.answered_by), data_id(r.id), "null"));
    const gate_answer trusted = pass_gate(true, open, services, m);
    CHECK(trusted.open);
    CHECK_FALSE(trusted.refusal);
}
