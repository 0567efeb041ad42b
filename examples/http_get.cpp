// SPDX-License-Identifier: BSL-1.0
// An HTTP client: asks for each URL, follows redirections, prints the bodies as they come.
//
//     example_http_get <url>...
//
//     python3 -m http.server 8000 &                            something that answers
//     example_http_get http://localhost:8000/ http://localhost:8000/README.md
//
//     example_http_get http://localhost:1/                     nobody listens there
//     example_http_get http://user:secret@localhost/           passwords do not belong into URLs
//
// Both answers of the first call come over one connection. With http/https_client.hpp and
// `http::https_client` in place of `http::client` it speaks https as well.

#include <portunus/core/runtime.hpp>
#include <portunus/http/client.hpp>

#include <iostream>
#include <string>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<result<void>> print(http::client& web, std::string url) {
    http::client_request request(http::verb::get, url);
    request.follow(5);
    auto answer = co_await web.open(request);
    if (!answer) co_return answer.error();
    std::cerr << answer->status_code() << " " << answer->url() << "\n";
    for (;;) {
        auto piece = co_await answer->read_body(); // a view, until the next call
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return result<void>();
        std::cout << *piece;
    }
}

awaitable<void> print_all(runtime& rt, http::client& web, std::vector<std::string> urls, int& failures) {
    for (const std::string& url : urls) {
        auto printed = co_await print(web, url);
        if (printed) continue;
        std::cerr << url << ": " << printed.error() << "\n";
        ++failures;
    }
    rt.request_stop(1s);
}

int main(int argc, char** argv) {
    if (argc < 2) {
        std::cerr << "usage: example_http_get <url>...\n";
        return 2;
    }
    int failures = 0;
    runtime rt;
    http::client web(rt);
    rt.spawn(print_all(rt, web, std::vector<std::string>(argv + 1, argv + argc), failures));
    const int code = rt.run_until_signal(1s);
    return failures ? 1 : code;
}
