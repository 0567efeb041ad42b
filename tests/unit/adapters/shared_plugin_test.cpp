// SPDX-License-Identifier: BSL-1.0
// What goes right is tested with a real object by examples_test.py.
#include <portunus/adapters/shared_plugin.hpp>

#include "support/catch.hpp"
#include "unit/adapters/plugin_support.hpp"

using namespace portunus_tests;
using portunus::shared_plugin;

TEST_CASE("an object that is not there, or is no plugin, is refused with its name") {
    runtime rt(1, portunus::logger::silent());
    plugin_host host(rt);
    const auto missing = shared_plugin::load(host, "./no-such-object.so");
    CHECK(error_of(missing) == errc::invalid_option);
    CHECK(error_of(missing).detail().find("no-such-object") != std::string_view::npos);
    const auto other = shared_plugin::load(host, "libm.so.6");
    CHECK(error_of(other).detail().find("portunus_plugin_entry") != std::string_view::npos);
    CHECK(host.size() == 0);
}
