// SPDX-License-Identifier: BSL-1.0
// The PROXY protocol as those send it for whom it was made: HAProxy, and nginx.
#include <portunus/net/tcp_listener.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/net/server_support.hpp"

#include <filesystem>
#include <fstream>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace portunus_tests;
using portunus::accept_policy;
using portunus::address_rule;
using portunus::peer_info;
using portunus::runtime;
using portunus::tcp_stream;

namespace {

/// A directory for the configuration of a proxy.
class directory {
  public:
    directory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "portunus-proxy-XXXXXX").string();
        if (!::mkdtemp(pattern.data())) throw std::runtime_error("no directory for files");
        path = pattern;
    }
    directory(const directory&) = delete;
    directory& operator=(const directory&) = delete;
    ~directory() {
        std::error_code ignored;
        std::filesystem::remove_all(path, ignored);
    }
    std::string write(const std::string& name, std::string_view content) const {
        std::ofstream(path / name, std::ios::binary) << content;
        return (path / name).string();
    }
    std::filesystem::path path;
};

/// A listening socket that a child inherits: who connects waits in its queue until the child is up.
class front_socket {
  public:
    explicit front_socket(const std::string& address) {
        endpoint = tcp::endpoint(asio::ip::make_address(address), 0);
        fd = ::socket(endpoint.protocol().family(), SOCK_STREAM, 0); // not close-on-exec
        auto size = static_cast<socklen_t>(endpoint.capacity());
        if (fd < 0 || ::bind(fd, endpoint.data(), static_cast<socklen_t>(endpoint.size())) != 0 ||
            ::listen(fd, 16) != 0 || ::getsockname(fd, endpoint.data(), &size) != 0)
            throw std::runtime_error("no socket for the proxy");
    }
    front_socket(const front_socket&) = delete;
    front_socket& operator=(const front_socket&) = delete;
    ~front_socket() { ::close(fd); }
    int fd;
    tcp::endpoint endpoint;
};

/// A server of the library whose proxy is 127.0.0.1. It echoes lines, and remembers who came.
struct server_behind {
    explicit server_behind(accept_policy policy = accept_policy::anyone())
        : rt(1, portunus::logger::silent()), server(rt.listen(door(std::move(policy)),
                                                              [this](tcp_stream s, const peer_info& p) {
                                                                  const std::lock_guard lock(mutex);
                                                                  came.push_back(p);
                                                                  return echo_lines(std::move(s));
                                                              })),
          running_now(rt) {}
    static portunus::listener_options door(accept_policy policy) {
        auto d = any_door();
        d.policy = std::move(policy);
        d.proxy.from = {address_rule("127.0.0.1")};
        d.proxy.only = true;
        return d;
    }
    std::vector<peer_info> peers() {
        const std::lock_guard lock(mutex);
        return came;
    }
    std::string port() const { return std::to_string(server.port()); }

    std::mutex mutex;
    std::vector<peer_info> came;
    runtime rt;
    portunus::tcp_server server;
    running running_now;
};

child_process haproxy(const directory& files, const front_socket& front, const server_behind& behind,
                      const std::string& options) {
    const std::string configuration = "global\n"
                                      "    nbthread 1\n"
                                      "    maxconn 64\n"
                                      "defaults\n"
                                      "    mode tcp\n"
                                      "    timeout connect 20s\n"
                                      "    timeout client 20s\n"
                                      "    timeout server 20s\n"
                                      "listen door\n"
                                      "    bind fd@" +
                                      std::to_string(front.fd) +
                                      "\n"
                                      "    server ours 127.0.0.1:" +
                                      behind.port() + " " + options + "\n";
    return child_process("haproxy", {"-db", "-q", "-f", files.write("haproxy.cfg", configuration)});
}

} // namespace

TEST_CASE("behind HAProxy the peer is the client, by both versions of the PROXY protocol") {
    if (!has_program("haproxy")) PORTUNUS_SKIP("haproxy is not on this machine");
    const std::string options = GENERATE(as<std::string>{}, "send-proxy", "send-proxy-v2",
                                         "send-proxy-v2 proxy-v2-options crc32c,unique-id");
    const auto [front_address, client_address] =
        GENERATE(table<std::string, std::string>({{"127.0.0.1", "127.0.0.5"}, {"::1", "::1"}}));
    CAPTURE(options, client_address);
    server_behind behind;
    const directory files;
    const front_socket front(front_address);
    auto proxy = haproxy(files, front, behind, options);
    auto client = plain_socket::connected_to(front.endpoint, {asio::ip::make_address(client_address), 0});
    client.send("hello through HAProxy\n");
    CHECK(client.read(22) == "hello through HAProxy\n");
    const auto came = behind.peers();
    REQUIRE(came.size() == 1);
    CHECK(came[0].remote == client.local());
    CHECK(came[0].proxy.address() == loopback);
    CHECK(came[0].local.port() == behind.server.port());
    client.close();
    CHECK(behind.running_now.stop() == 0);
}

TEST_CASE("the policy behind HAProxy is about its clients") {
    if (!has_program("haproxy")) PORTUNUS_SKIP("haproxy is not on this machine");
    server_behind behind(accept_policy::only("127.0.0.5"));
    const directory files;
    const front_socket front("127.0.0.1");
    auto proxy = haproxy(files, front, behind, "send-proxy-v2");
    auto stranger = plain_socket::connected_to(front.endpoint, {asio::ip::make_address("127.0.0.6"), 0});
    CHECK(stranger.read_to_end().first.empty());
    auto friendly = plain_socket::connected_to(front.endpoint, {asio::ip::make_address("127.0.0.5"), 0});
    friendly.send("me\n");
    CHECK(friendly.read(3) == "me\n");
    CHECK(behind.peers().size() == 1);
    CHECK(behind.server.snapshot().refused_by_policy == 1);
    // Past the proxy, and with a header of his own, nobody comes in.
    auto liar = plain_socket::connected_to(behind.server.endpoints().front(),
                                           {asio::ip::make_address("127.0.0.6"), 0});
    (void)liar.try_send("PROXY TCP4 127.0.0.5 127.0.0.1 1 2\r\n");
    CHECK(liar.read_to_end().first.empty());
    CHECK(behind.peers().size() == 1);
    friendly.close();
    CHECK(behind.running_now.stop() == 0);
}

TEST_CASE("HAProxy's own checks come in as the proxy itself") {
    if (!has_program("haproxy")) PORTUNUS_SKIP("haproxy is not on this machine");
    const std::string version = GENERATE(as<std::string>{}, "send-proxy", "send-proxy-v2");
    CAPTURE(version);
    server_behind behind;
    const directory files;
    const front_socket front("127.0.0.1");
    auto proxy = haproxy(files, front, behind, version + " check inter 50 check-send-proxy");
    eventually([&] { return behind.peers().size() >= 2; });
    for (const peer_info& p : behind.peers()) CHECK(p.remote.address() == loopback);
    CHECK(behind.server.snapshot().protocol_errors == 0);
    auto client = plain_socket::connected_to(front.endpoint, {asio::ip::make_address("127.0.0.5"), 0});
    client.send("still served\n");
    CHECK(client.read(13) == "still served\n");
    client.close();
    proxy.signal(SIGTERM);
    CHECK_FALSE(proxy.wait().hung);
    CHECK(behind.running_now.stop() == 0);
}

TEST_CASE("behind nginx the peer is the client") {
    const char* module = "/usr/lib/nginx/modules/ngx_stream_module.so";
    if (::access("/usr/sbin/nginx", X_OK) != 0) PORTUNUS_SKIP("nginx is not on this machine");
    if (::access(module, R_OK) != 0) PORTUNUS_SKIP("nginx has no stream module on this machine");
    server_behind behind;
    const directory files;
    const std::uint16_t port = plain_listener(loopback).endpoint().port();
    const std::string configuration =
        "load_module " + std::string(module) + ";\ndaemon off;\nmaster_process off;\npid " +
        files.path.string() +
        "/pid;\nerror_log stderr crit;\nevents {}\nstream { server { listen 127.0.0.1:" +
        std::to_string(port) + "; proxy_pass 127.0.0.1:" + behind.port() + "; proxy_protocol on; } }\n";
    child_process proxy("/usr/sbin/nginx",
                        {"-p", files.path.string(), "-c", files.write("nginx.conf", configuration)});
    plain_socket client;
    eventually([&] {
        try {
            client = plain_socket::connected_to({loopback, port}, {asio::ip::make_address("127.0.0.5"), 0});
            return true;
        } catch (const std::exception&) {
            return false;
        }
    });
    client.send("hello\n");
    CHECK(client.read(6) == "hello\n");
    REQUIRE(behind.peers().size() == 1);
    CHECK(behind.peers()[0].remote == client.local());
    client.close();
    CHECK(behind.running_now.stop() == 0);
}
