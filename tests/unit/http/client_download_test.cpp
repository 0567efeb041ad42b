// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/client_download.hpp>

#include "support/catch.hpp"
#include "unit/http/client_support.hpp"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <stdlib.h>

using namespace portunus_tests;
using namespace portunus::testing;
using Catch::Matchers::Contains;
using http::verb;
using portunus::errc;

namespace {

/// A directory of its own, which goes with it.
struct scratch {
    scratch() {
        char name[] = "/tmp/portunus_test_XXXXXX";
        if (!::mkdtemp(name)) throw std::runtime_error("mkdtemp");
        path = name;
    }
    ~scratch() { std::filesystem::remove_all(path); }
    std::string file(const char* name) const { return path + "/" + name; }
    std::size_t files() const {
        return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator(path), {}));
    }
    std::string path;
};
std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

} // namespace

TEST_CASE("a download is whole or nothing, and a status that is no success writes nothing") {
    const scratch dir;
    wire net;
    net.next()
        .expect(asked("GET /good"))
        .send(told("the content"))
        .expect(asked("GET /none"))
        .send(told("sorry", "404 Not Found"))
        .expect(asked("GET /cut"))
        .send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        .close();
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        const std::string path = dir.file("a");
        auto good = co_await http::download(web, "http://device/good", path);
        REQUIRE(good.has_value());
        CHECK(good->ok());
        CHECK(good->bytes == 11);
        CHECK(content(path) == "the content");
        auto none = co_await http::download(web, "http://device/none", path);
        REQUIRE(none.has_value());
        CHECK(none->status_code == 404);
        CHECK(content(path) == "the content");
        auto cut = co_await http::download(web, "http://device/cut", path);
        REQUIRE(cut.has_error());
        CHECK(cut.error() == errc::partial_frame);
        CHECK(content(path) == "the content");
        CHECK(dir.files() == 1);
    });
}

TEST_CASE("a file that cannot be written or read is told with its path") {
    const scratch dir;
    wire net;
    net.next().expect(asked("GET /")).send(told("x"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        const std::string path = dir.file("no/such/place");
        auto none = co_await http::download(web, "http://device/", path);
        REQUIRE(none.has_error());
        CHECK(none.error() == boost::system::errc::no_such_file_or_directory);
        CHECK_THAT(none.error().message(), Contains(path));
        http::client_request r(verb::put, "http://device/");
        CHECK(http::body_from_file(r, path, "t").error() == boost::system::errc::no_such_file_or_directory);
        CHECK(http::body_from_file(r, dir.path, "t").error() == errc::invalid_option);
    });
}

TEST_CASE("a file is sent with its length") {
    const scratch dir;
    const std::string text(200'000, 'x');
    std::ofstream(dir.file("a"), std::ios::binary) << text;
    wire net;
    net.next()
        .expect(asked("PUT /", "Content-Type: t\r\nContent-Length: 200000\r\n") + text)
        .send(told("1"))
        .expect(asked("PUT /", "Content-Type: t\r\nContent-Length: 200000\r\n") + text)
        .send(told("2"));
    run([&](asio::io_context& context) -> awaitable<void> {
        http::client web(context.get_executor(), net.options());
        http::client_request r(verb::put, "http://device/");
        REQUIRE(http::body_from_file(r, dir.file("a"), "t").has_value());
        for (const char* expected : {"1", "2"}) {
            auto answer = co_await web.send(r);
            REQUIRE(answer.has_value());
            CHECK(answer->body() == expected);
        }
    });
}
