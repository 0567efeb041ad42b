// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/gzip_client.hpp>

#include "support/catch.hpp"
#include "unit/http/client_support.hpp"

#include <portunus/testing/grind.hpp>

#include <string>

using namespace portunus_tests;
using namespace portunus::testing;
using Catch::Matchers::Contains;
using http::verb;
using portunus::errc;

namespace {
std::string zipped(std::string_view text) {
    http::gzip_encoder coding;
    std::string out;
    coding.write(text, out);
    coding.finish(out);
    return out;
}
http::client_options unzipping(wire& net) {
    auto o = net.options();
    o.codings.push_back(http::accept_gzip());
    return o;
}
std::string answer_with(std::string_view body, std::string_view coding = "gzip") {
    return told(body, "200 OK", "Content-Encoding: " + std::string(coding) + "\r\n");
}
} // namespace

TEST_CASE("what was compressed comes as the text that it was, however its bytes are split") {
    const std::string text = "the same, the same, the same, the same";
    const std::string body = zipped(text);
    const std::string bytes = GENERATE(false, true)
                                  ? answer_with(body)
                                  : "HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nTransfer-Encoding: "
                                    "chunked\r\n\r\n" +
                                        std::string(http::chunk_head(body.size()).text()) + body +
                                        "\r\n0\r\n\r\n";
    const std::string found =
        grind(bytes,
              [](std::span<const std::string_view> pieces) {
                  wire net;
                  auto& script = net.next();
                  script.expect(asked("GET /", "Accept-Encoding: gzip\r\n"));
                  for (const auto piece : pieces) script.send(std::string(piece), piece.size());
                  std::string got;
                  run([&](asio::io_context& context) -> awaitable<void> {
                      http::client web(context.get_executor(), unzipping(net));
                      auto answer = co_await web.get("http://device/");
                      got = answer ? std::string(answer->body()) : answer.error().message();
                      if (web.counters().resting != 1) got += " (not kept)";
                  });
                  return got;
              },
              {.pairs_up_to = 0});
    CHECK(found == text);
}

TEST_CASE(
    "a bomb, a broken sum, and a body that ends too early are errors, and other codings are left alone") {
    struct row {
        std::string bytes, expected;
    };
    std::string broken = zipped("hello");
    broken[broken.size() - 6] ^= 1;
    const std::vector<row> rows{
        {answer_with(zipped(std::string(20'000'000, 'a'))), "unfold to 1048576: more than 200"},
        {answer_with(zipped(std::string(300, 'a') + "b")), "aaaa"},
        {answer_with(broken), "malformed"},
        {answer_with(zipped("hello").substr(0, 12)), "ended"},
        {answer_with("hello"), "malformed"},
        {answer_with("hello", "br"), "hello"},
        {answer_with("hello", "gzip, gzip"), "hello"},
        {answer_with(""), "0"},
    };
    for (const row& r : rows) {
        wire net;
        net.next().expect(asked("GET /", "Accept-Encoding: gzip\r\n")).send(r.bytes);
        run([&](asio::io_context& context) -> awaitable<void> {
            http::client web(context.get_executor(), unzipping(net));
            auto answer = co_await web.get("http://device/");
            const std::string text =
                answer ? std::to_string(answer->body().size()) + " " + std::string(answer->body())
                       : answer.error().message();
            INFO(text.substr(0, 200));
            CHECK(text.find(r.expected) != std::string::npos);
        });
    }
}
