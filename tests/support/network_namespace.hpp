// SPDX-License-Identifier: BSL-1.0
// Two small networks of the test's own, joined by a cable that the test can pull.
#ifndef PORTUNUS_TESTS_SUPPORT_NETWORK_NAMESPACE_HPP
#define PORTUNUS_TESTS_SUPPORT_NETWORK_NAMESPACE_HPP

#include "support/child_process.hpp"

#include <boost/asio/ip/address.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <exception>
#include <fstream>
#include <future>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <unistd.h>

namespace portunus_tests {

/// Two network namespaces, `near` and `far`, with a veth pair between them:
///
///     near: near0 10.231.0.1/24 fd00:231::1/64  <------>  far: far0 10.231.0.2/24 fd00:231::2/64
///
/// Each has its own loopback, routes, neighbours, firewall and ports: a fixed port is free there. The
/// addresses can be used at once (no duplicate detection), the link-local ones, too.
///
///     if (const auto why = network_pair::missing(); !why.empty()) PORTUNUS_SKIP(why);
///     network_pair net;
///     auto server = net.inside(net.far(), [] { return std::make_unique<plain_listener>(...); });
///     net.inside(net.near(), [&] { ...connect, which leaves by near0...; });
///     net.link_down(net.far());       // near0 loses its carrier: the cable is out
///     net.drop_all(net.near());       // the cable is in, and nothing arrives: what a peer that hangs is
///     like
///
/// A socket belongs for life to the namespace in which it was made, whichever thread uses it later. So it is
/// enough to make sockets, runtimes and child processes inside; the test may use them from outside.
///
/// Names carry the process's id. The destructor removes everything, also what the test has added inside.
class network_pair {
  public:
    struct end {
        std::string netns;     ///< what `ip -n` calls it
        std::string interface; ///< "near0" or "far0"
        boost::asio::ip::address v4, v6;
    };

    /// Why it cannot be used here; empty where it can. `firewall`: the test wants `drop`, too. Tried once for
    /// real, because a container may let root do less than root.
    static std::string missing(bool firewall = false) {
        static const std::string links = [] {
            if (::geteuid() != 0) return std::string("network namespaces need root");
            if (!has_program("ip")) return std::string("ip (iproute2) is not on this machine");
            try {
                const network_pair tried;
                return std::string();
            } catch (const std::exception& e) {
                return std::string("no network namespaces here: ") + e.what();
            }
        }();
        if (!links.empty() || !firewall) return links;
        static const std::string rules = [] {
            if (!has_program("nft")) return std::string("nft (nftables) is not on this machine");
            try {
                network_pair tried;
                tried.drop_all(tried.near());
                return std::string();
            } catch (const std::exception& e) {
                return std::string("no firewall in namespaces here: ") + e.what();
            }
        }();
        return rules;
    }

    network_pair() {
        static int made = 0;
        const std::string id = "portunus-" + std::to_string(::getpid()) + '-' + std::to_string(++made);
        near_ = {id + "-near", "near0", boost::asio::ip::make_address("10.231.0.1"),
                 boost::asio::ip::make_address("fd00:231::1")};
        far_ = {id + "-far", "far0", boost::asio::ip::make_address("10.231.0.2"),
                boost::asio::ip::make_address("fd00:231::2")};
        try {
            for (const end* e : {&near_, &far_}) {
                run({"ip", "netns", "add", e->netns});
                inside(*e, [] { // before there is an interface that would take the old value
                    set_sysctl("net/ipv6/conf/default/accept_dad", "0");
                    set_sysctl("net/ipv6/conf/default/dad_transmits", "0");
                    set_sysctl("net/ipv6/conf/all/accept_dad", "0");
                });
                ip(*e, {"link", "set", "lo", "up"});
            }
            join(near_.interface, far_.interface);
            for (const end* e : {&near_, &far_}) {
                add_address(*e, e->v4.to_string() + "/24");
                add_address(*e, e->v6.to_string() + "/64");
            }
        } catch (...) {
            remove();
            throw;
        }
    }
    network_pair(const network_pair&) = delete;
    network_pair& operator=(const network_pair&) = delete;
    ~network_pair() { remove(); }

    const end& near() const noexcept { return near_; }
    const end& far() const noexcept { return far_; }

    // links. Taking down one end leaves the other one up and without a carrier.
    void link_down(const end& e) const { ip(e, {"link", "set", e.interface, "down"}); }
    void link_up(const end& e) const { ip(e, {"link", "set", e.interface, "up"}); }

    /// Another cable between the two, up at both ends and without addresses of its own.
    void join(const std::string& near_name, const std::string& far_name) const {
        run({"ip", "link", "add", near_name, "netns", near_.netns, "type", "veth", "peer", "name", far_name,
             "netns", far_.netns});
        ip(near_, {"link", "set", near_name, "up"});
        ip(far_, {"link", "set", far_name, "up"});
    }

    /// "10.1.2.3/24"; to the end's own interface, unless another one is named.
    void add_address(const end& e, const std::string& address, const std::string& interface = {}) const {
        std::vector<std::string> words{"addr", "add", address, "dev",
                                       interface.empty() ? e.interface : interface};
        if (address.find(':') != std::string::npos)
            words.push_back("nodad");
        else
            words.insert(words.end(), {"broadcast", "+"});
        ip(e, std::move(words));
    }
    void remove_address(const end& e, const std::string& address, const std::string& interface = {}) const {
        ip(e, {"addr", "del", address, "dev", interface.empty() ? e.interface : interface});
    }

    /// `ip` with these words, in the namespace of that end: {"route", "add", ...}. What it says. Throws what
    /// it complains about.
    std::string ip(const end& e, std::vector<std::string> words) const {
        words.insert(words.begin(), {"ip", "-n", e.netns});
        return run(std::move(words));
    }

    // the firewall: what arrives at an end is dropped and counted

    /// Drops what matches, an expression of nft: "tcp dport 7001", "ip saddr 10.231.0.2 udp". Until `pass`.
    void drop(const end& e, const std::string& what) const {
        inside(e, [&what] {
            run({"nft", "add table inet portunus; add chain inet portunus in { type filter hook input "
                        "priority 0; }; add rule inet portunus in " +
                            what + " counter drop"});
        });
    }
    /// Drops everything that arrives by its interface, neighbour discovery of IPv6 included; ARP goes on.
    void drop_all(const end& e) const { drop(e, "iifname " + e.interface); }
    /// Drops nothing any more.
    void pass(const end& e) const {
        inside(e, [] { run({"nft", "delete table inet portunus"}); });
    }
    /// How many packets the rules of that end have dropped.
    std::uint64_t dropped(const end& e) const {
        const std::string rules = inside(e, [] { return run({"nft", "list table inet portunus"}); });
        std::uint64_t all = 0;
        constexpr std::string_view before = "counter packets ";
        for (auto at = rules.find(before); at != std::string::npos; at = rules.find(before, at + 1))
            all += std::stoull(rules.substr(at + before.size()));
        return all;
    }

    /// Runs `f` in the namespace, on a thread of its own, and waits for it; gives what it returns, throws
    /// what it throws. The test's assertions may stand in it.
    template <class F>
    static std::invoke_result_t<F&> inside(const end& e, F f) {
        std::packaged_task<std::invoke_result_t<F&>()> task([&] {
            enter(e);
            return f();
        });
        auto outcome = task.get_future();
        std::thread(std::move(task)).join();
        return outcome.get();
    }

    /// The test program again, in that namespace, running the hidden test case of this name.
    static std::unique_ptr<child_process> child_inside(const end& e, const std::string& test_case) {
        return inside(e, [&test_case] {
            return std::unique_ptr<child_process>(new child_process(child_process::of_test(test_case)));
        });
    }

    /// The link-local IPv6 address of an interface there, with its scope id.
    static boost::asio::ip::address link_local(const end& e, const std::string& interface = {}) {
        const std::string name = interface.empty() ? e.interface : interface;
        return inside(e, [&name]() -> boost::asio::ip::address {
            ifaddrs* list = nullptr;
            if (::getifaddrs(&list) != 0)
                throw std::system_error(errno, std::generic_category(), "getifaddrs");
            boost::asio::ip::address found;
            for (const ifaddrs* i = list; i; i = i->ifa_next) {
                if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET6 || name != i->ifa_name) continue;
                const auto& in6 = reinterpret_cast<const sockaddr_in6&>(*i->ifa_addr);
                boost::asio::ip::address_v6::bytes_type raw;
                std::copy_n(in6.sin6_addr.s6_addr, raw.size(), raw.begin());
                const boost::asio::ip::address_v6 address(raw, in6.sin6_scope_id);
                if (address.is_link_local()) found = address;
            }
            ::freeifaddrs(list);
            if (!found.is_v6()) throw std::runtime_error(name + " has no link-local address");
            return found;
        });
    }

    /// Sets a kernel parameter of the calling thread's namespace: to be called inside. "net/ipv4/..."
    static void set_sysctl(const std::string& name, const std::string& value) {
        std::ofstream file("/proc/sys/" + name);
        file << value << std::flush;
        if (!file) throw std::runtime_error("the kernel parameter " + name + " cannot be set");
    }

    /// Runs a program and gives what it says, errors included; throws that where it fails.
    static std::string run(std::vector<std::string> words) {
        std::string command;
        for (const std::string& w : words) command.append(command.empty() ? "" : " ").append(w);
        words.insert(words.begin(), {"-c", "exec \"$@\" 2>&1", "sh"});
        child_process program("sh", std::move(words));
        std::string said = program.rest();
        const exit_status status = program.wait();
        if (status.code != 0) throw std::runtime_error(command + ": " + said);
        return said;
    }

  private:
    static void enter(const end& e) {
        const int fd = ::open(("/run/netns/" + e.netns).c_str(), O_RDONLY | O_CLOEXEC);
        const bool entered = fd >= 0 && ::setns(fd, CLONE_NEWNET) == 0;
        const int number = errno;
        if (fd >= 0) ::close(fd);
        if (!entered) throw std::system_error(number, std::generic_category(), "entering " + e.netns);
    }

    void remove() noexcept {
        for (const end* e : {&near_, &far_}) {
            try {
                run({"ip", "netns", "del", e->netns});
            } catch (const std::exception&) { // it was never made
            }
        }
    }

    end near_, far_;
};

} // namespace portunus_tests

#endif
