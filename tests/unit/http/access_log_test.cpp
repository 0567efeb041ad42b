// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/access_log.hpp>

#include "unit/http/site_support.hpp"

#include <mutex>
#include <string>
#include <vector>

using namespace portunus_tests;
using portunus::log_field;
using portunus::log_level;

namespace {

struct kept_lines {
    std::mutex lock;
    std::vector<std::string> lines;

    portunus::logger log() {
        return portunus::logger([this](log_level, std::string_view text, std::span<const log_field> fields) {
            std::string line(text);
            for (const log_field& f : fields)
                line += " " + std::string(f.name()) + "=" + std::string(f.value());
            const std::lock_guard guard(lock);
            lines.push_back(line);
        });
    }
};

} // namespace

TEST_CASE("a request is one line with its status and size, and without what stands in queries") {
    kept_lines kept;
    const bool queries = GENERATE(false, true);
    site s([](http::request&) { return http::response("hello"); },
           open_site(http::access_log(kept.log(), {.queries = queries})));
    s.ask("GET /a?token=secret", "User-Agent: test\r\nReferer: http://here/x?key=secret\r\n");
    s.ask("BREW /");
    REQUIRE(kept.lines.size() == 2);
    const std::string query = queries ? "?token=secret" : "", key = queries ? "?key=secret" : "";
    CHECK(kept.lines[0] == "request from=127.0.0.1 method=GET target=/a" + query +
                               " version=1.1 status=200 bytes=5 referer=http://here/x" + key + " agent=test");
    CHECK(kept.lines[1] ==
          "request from=127.0.0.1 method=BREW target=/ version=1.1 status=200 bytes=5 referer=- agent=-");
}
