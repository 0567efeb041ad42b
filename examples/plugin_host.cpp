// SPDX-License-Identifier: BSL-1.0
// A program that is made of plugins: it loads the shared objects that the command line names, each with its
// argument behind a comma, and runs them until SIGTERM. SIGHUP stops them and loads what the files are by
// then.
//
//     example_plugin_host libshout.so,7041
//
//     printf 'hello\nbye\n' | nc 127.0.0.1 7041            HELLO, GOOD BYE
//
// Each runs on a thread of its own: one that blocks or fails does not disturb the others.

#include <portunus/adapters/plugin_host.hpp>
#include <portunus/adapters/shared_plugin.hpp>
#include <portunus/core/runtime.hpp>

#include <boost/asio/signal_set.hpp>

#include <csignal>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

namespace {

void reload_all(std::vector<shared_plugin>& plugins) {
    for (shared_plugin& p : plugins) {
        const auto done = p.reload(2s);
        if (done)
            std::cout << "reloaded " << p.path() << std::endl;
        else
            std::cerr << done.error().message() << '\n';
    }
}

void wait_for_hangup(boost::asio::signal_set& hangup, std::vector<shared_plugin>& plugins) {
    hangup.async_wait([&](const boost::system::error_code& ec, int) {
        if (ec) return;
        reload_all(plugins);
        wait_for_hangup(hangup, plugins);
    });
}

} // namespace

int main(int argc, char** argv) try {
    if (argc < 2) {
        std::cerr << "usage: " << argv[0] << " <object>[,<argument>]...\n";
        return 2;
    }
    runtime rt;
    plugin_host host(rt);
    std::vector<shared_plugin> plugins;
    plugin_options options;
    options.log = logger([](log_level, std::string_view text, auto) { std::cout << text << std::endl; },
                         log_level::warning);
    for (int i = 1; i < argc; ++i) {
        const std::string_view wanted = argv[i];
        const auto comma = wanted.find(',');
        std::string path(wanted.substr(0, comma));
        std::string argument(comma == wanted.npos ? "" : wanted.substr(comma + 1));
        plugins.push_back(shared_plugin::load(host, std::move(path), std::move(argument), options).value());
    }
    boost::asio::signal_set hangup(rt.context(), SIGHUP);
    wait_for_hangup(hangup, plugins);
    const int status = rt.run_until_signal(5s);
    return status;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
