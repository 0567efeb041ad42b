// SPDX-License-Identifier: BSL-1.0
// Names and addresses: asks the system for each argument, all at the same time, and prints the answers as
// they come.
//
//     example_resolve localhost 127.0.0.1 no-such-host.invalid "not a name"

#include <portunus/core/runtime.hpp>
#include <portunus/net/resolver.hpp>

#include <iostream>
#include <string>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> addresses_of(std::string name) {
    auto found = co_await resolve(name, {.limit = 3s});
    if (!found) {
        std::cout << name << ": " << found.error() << '\n';
        co_return;
    }
    std::cout << name << ':';
    for (const auto& address : *found) std::cout << ' ' << address;
    std::cout << '\n';
}

awaitable<void> name_of(boost::asio::ip::address address) {
    auto name = co_await resolve_name(address, {.limit = 3s});
    if (name)
        std::cout << address << " is called " << *name << '\n';
    else
        std::cout << address << ": " << name.error() << '\n';
}

int main(int argc, char** argv) {
    runtime rt;
    for (int i = 1; i < argc; ++i) {
        boost::system::error_code ec;
        const auto address = boost::asio::ip::make_address(argv[i], ec);
        rt.spawn(ec ? addresses_of(argv[i]) : name_of(address));
    }
    return rt.run(); // until every question is answered
}
