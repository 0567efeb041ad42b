// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/open_failure.hpp>

#include "support/catch.hpp"

using portunus::errc;
using portunus::detail::open_failure;

TEST_CASE("each way in which the system refuses an endpoint has a code of its own, and names the endpoint") {
    CHECK(open_failure(EADDRINUSE, "[::]:80", "") == errc::address_in_use);
    CHECK(open_failure(EADDRNOTAVAIL, "[::]:80", "") == errc::address_not_available);
    CHECK(open_failure(ENODEV, "[::]:80", "") == errc::no_such_interface);
    CHECK(open_failure(EACCES, "[::]:80", "") == errc::port_requires_privilege);
    CHECK(open_failure(EPERM, "[::]:80", "") == errc::port_requires_privilege);
    CHECK(open_failure(EMFILE, "[::]:80", "") == boost::system::errc::too_many_files_open);
    CHECK(open_failure(EADDRINUSE, "[::]:80", "").detail() == "[::]:80");
    CHECK(open_failure(EMFILE, "[::]:80", "eth0").detail() == "[::]:80 on eth0");
}
