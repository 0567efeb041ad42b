// SPDX-License-Identifier: BSL-1.0
// The head parser alone, beside Boost.Beast's on the same bytes. No sockets: a head is parsed from memory,
// again and again, and what it says is looked at (method, target, host, keep-alive), so that neither can
// leave work out.
//
//     http_parser_bench [rounds]
//
// Short rounds in turns, measured as processor time. Printed are the median, half of what lies between the
// tenth and the ninetieth percentile, and how many times as long as ours it takes.
//
// "beast" is basic_parser with callbacks that keep nothing but what ours keeps for sure: the cheapest way to
// use it. "beast fields" is request_parser<empty_body>, what people use, with its container of fields.
#include <portunus/http/head_parser.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace http = portunus::http;
namespace beast = boost::beast;

namespace {

struct sample {
    const char* name;
    std::string head;
};

std::vector<sample> samples() {
    return {
        {"browser",
         "GET /devices/lamp-17/state?unit=percent&history=24h HTTP/1.1\r\n"
         "Host: harbour.example.net:8080\r\n"
         "Connection: keep-alive\r\n"
         "Cache-Control: max-age=0\r\n"
         "sec-ch-ua: \"Chromium\";v=\"126\", \"Not/A)Brand\";v=\"8\"\r\n"
         "sec-ch-ua-mobile: ?0\r\n"
         "sec-ch-ua-platform: \"Linux\"\r\n"
         "Upgrade-Insecure-Requests: 1\r\n"
         "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
         "Chrome/126.0.0.0 Safari/537.36\r\n"
         "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
         "Sec-Fetch-Site: same-origin\r\n"
         "Sec-Fetch-Mode: navigate\r\n"
         "Sec-Fetch-User: ?1\r\n"
         "Sec-Fetch-Dest: document\r\n"
         "Referer: http://harbour.example.net:8080/devices\r\n"
         "Accept-Encoding: gzip, deflate, br, zstd\r\n"
         "Accept-Language: en-GB,en;q=0.9,de;q=0.8\r\n"
         "Cookie: session=6f1c2a9be04d4f0f8a56c7d1; theme=dark; last=devices%2Flamp-17\r\n"
         "If-None-Match: \"5f3-61b0c7d2\"\r\n"
         "\r\n"},
        {"curl", "GET /api/status HTTP/1.1\r\n"
                 "Host: 192.168.1.20:8080\r\n"
                 "User-Agent: curl/7.88.1\r\n"
                 "Accept: */*\r\n"
                 "\r\n"},
        {"wrk", "GET / HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\r\n"},
        {"post", "POST /api/lamps/17 HTTP/1.1\r\n"
                 "Host: harbour.example.net\r\n"
                 "Content-Type: application/json\r\n"
                 "Content-Length: 0\r\n"
                 "Authorization: Bearer 0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b2c3d4e5f\r\n"
                 "Connection: close\r\n"
                 "\r\n"},
    };
}

class plain_parser : public beast::http::basic_parser<true> {
  public:
    std::size_t told = 0;

  private:
    using view = beast::string_view;
    using code = beast::error_code;
    void on_request_impl(beast::http::verb v, view, view target, int, code&) override {
        told += static_cast<std::size_t>(v) + target.size();
    }
    void on_response_impl(int, view, int, code&) override {}
    void on_field_impl(beast::http::field f, view, view value, code&) override {
        if (f == beast::http::field::host) told += value.size();
    }
    void on_header_impl(code&) override {}
    void on_body_init_impl(boost::optional<std::uint64_t> const&, code&) override {}
    std::size_t on_body_impl(view body, code&) override { return body.size(); }
    void on_chunk_header_impl(std::uint64_t, view, code&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, view body, code&) override { return body.size(); }
    void on_finish_impl(code&) override {}
};

[[noreturn]] void fail(const char* who, const char* name) {
    std::fprintf(stderr, "%s did not accept the head \"%s\"\n", who, name);
    std::exit(1);
}

std::size_t with_ours(const sample& s, std::size_t times) {
    std::array<http::field_slot, 100> slots;
    http::request_parser parser(slots);
    std::size_t told = 0;
    for (std::size_t i = 0; i != times; ++i) {
        parser.reset();
        const http::head_step step = parser.feed(s.head);
        if (step.what != http::head_step::kind::complete || step.size != s.head.size())
            fail("portunus", s.name);
        const http::request_head& head = parser.head();
        told += static_cast<std::size_t>(head.method()) + head.target().size() + head.host().size() +
                (head.keep_alive() ? 1u : 0u);
    }
    return told;
}

std::size_t with_beast(const sample& s, std::size_t times) {
    std::size_t told = 0;
    for (std::size_t i = 0; i != times; ++i) {
        plain_parser parser;
        beast::error_code failed;
        const std::size_t size = parser.put(boost::asio::buffer(s.head), failed);
        if (failed || size != s.head.size() || !parser.is_header_done()) fail("beast", s.name);
        told += parser.told + (parser.keep_alive() ? 1u : 0u);
    }
    return told;
}

std::size_t with_beast_fields(const sample& s, std::size_t times) {
    std::size_t told = 0;
    for (std::size_t i = 0; i != times; ++i) {
        beast::http::request_parser<beast::http::empty_body> parser;
        beast::error_code failed;
        const std::size_t size = parser.put(boost::asio::buffer(s.head), failed);
        if (failed || size != s.head.size() || !parser.is_header_done()) fail("beast fields", s.name);
        const auto& head = parser.get();
        told += static_cast<std::size_t>(head.method()) + head.target().size() +
                head[beast::http::field::host].size() + (head.keep_alive() ? 1u : 0u);
    }
    return told;
}

using parse = std::size_t (*)(const sample&, std::size_t);

double seconds_of(parse one, const sample& s, std::size_t times) {
    const std::clock_t begin = std::clock();
    if (one(s, times) == 0) fail("nobody", s.name); // uses the result
    return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

} // namespace

int main(int argc, char** argv) {
    const int rounds = std::max(1, argc > 1 ? std::atoi(argv[1]) : 101);
    const struct {
        const char* name;
        parse one;
    } parsers[] = {{"portunus", with_ours}, {"beast", with_beast}, {"beast fields", with_beast_fields}};

    std::printf("%-8s %6s  %-13s %6s %12s %9s %6s %7s\n", "head", "bytes", "parser", "GB/s", "heads/s",
                "ns/head", "+-", "ratio");
    for (const sample& s : samples()) {
        const std::size_t times = 4'000'000 / s.head.size();
        std::array<std::vector<double>, std::size(parsers)> took;
        for (int round = 0; round != rounds; ++round)
            for (std::size_t p = 0; p != std::size(parsers); ++p)
                took[p].push_back(seconds_of(parsers[p].one, s, times) / static_cast<double>(times));
        for (auto& each : took) std::sort(each.begin(), each.end());
        const auto at = [&](std::size_t p, std::size_t percent) {
            return took[p][(took[p].size() - 1) * percent / 100];
        };
        for (std::size_t p = 0; p != std::size(parsers); ++p) {
            const double median = at(p, 50);
            std::printf("%-8s %6zu  %-13s %6.2f %12.0f %9.1f %5.0f%% %7.2f\n", s.name, s.head.size(),
                        parsers[p].name, static_cast<double>(s.head.size()) / median / 1e9, 1 / median,
                        median * 1e9, (at(p, 90) - at(p, 10)) / 2 / median * 100, median / at(0, 50));
        }
    }
}
