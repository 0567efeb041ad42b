// SPDX-License-Identifier: BSL-1.0
// Files as curl gets them, and what it does not get.
#include <portunus/http/static_files.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/http/files_support.hpp"
#include "unit/http/site_support.hpp"

#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;

namespace {

struct curl_site {
    curl_site() : site_((dir.directory("root"), http::static_files(dir.at("root")))) {}

    /// What curl prints.
    std::string get(std::string_view path, std::vector<std::string> options = {}) const {
        options.insert(options.begin(), {"-s", "-S", "--max-time", "20", "--path-as-is"});
        options.push_back("http://127.0.0.1:" + std::to_string(site_.server.port()) + std::string(path));
        child_process curl("curl", options);
        const std::string text = curl.rest();
        CHECK(curl.wait().code == 0);
        return text;
    }

    scratch_directory dir;
    site site_;
};

} // namespace

TEST_CASE("curl gets files whole, in parts, resumed, conditionally and compressed") {
    if (!has_program("curl")) {
        WARN("skipped: curl is not on this machine");
        return;
    }
    curl_site s;
    std::string text;
    for (int i = 0; i != 30'000; ++i) text += "line " + std::to_string(i) + '\n';
    s.dir.put("root/a.txt", text);
    CHECK((s.get("/a.txt") == text));
    CHECK((s.get("/a.txt", {"-r", "100-199"}) == text.substr(100, 100)));
    const std::string part = s.dir.at("part");
    s.dir.put("part", text.substr(0, 123'456));
    CHECK(s.get("/a.txt", {"-C", "-", "-o", part, "-w", "%{http_code}"}) == "206");
    std::ifstream resumed(part, std::ios::binary);
    CHECK((std::string(std::istreambuf_iterator<char>(resumed), {}) == text));
    CHECK(s.get("/a.txt", {"-z", part, "-o", "/dev/null", "-w", "%{http_code}"}) == "304");
    const std::string tags = s.dir.at("tags");
    CHECK((s.get("/a.txt", {"--etag-save", tags}) == text));
    CHECK(s.get("/a.txt", {"--etag-compare", tags, "-w", "%{http_code}"}) == "304");

    child_process python(PORTUNUS_TEST_PYTHON, {"-c",
                                                "import gzip, sys; open(sys.argv[1] + '.gz', 'wb').write("
                                                "gzip.compress(open(sys.argv[1], 'rb').read()))",
                                                s.dir.at("root/a.txt")});
    REQUIRE(python.wait().code == 0);
    CHECK((s.get("/a.txt", {"--compressed"}) == text));
    CHECK(s.get("/a.txt", {"--compressed", "-o", "/dev/null", "-w", "%{size_download}"}) ==
          std::to_string(std::filesystem::file_size(s.dir.at("root/a.txt.gz"))));

    s.dir.put("root/sub/index.html", "index");
    CHECK(s.get("/sub", {"-L"}) == "index");
}

TEST_CASE("curl does not get out of the directory, whatever path it asks for") {
    if (!has_program("curl")) {
        WARN("skipped: curl is not on this machine");
        return;
    }
    curl_site s;
    s.dir.put("secret", "secret");
    s.dir.put("root/sub/a", "a");
    s.dir.link("root/out", "../secret");
    s.dir.link("root/up", "..");
    s.dir.link("root/absolute", s.dir.at("secret"));
    for (const char* path :
         {"/../secret", "/%2e%2e/secret", "/..%2fsecret", "/sub/../../secret", "/sub/..%2f../secret",
          "//secret", "/out", "/up/secret", "/absolute", "/..%5csecret", "/sub/../../../etc/passwd"}) {
        const std::string seen = s.get(path, {"-w", " %{http_code}"});
        INFO(path << ": " << seen);
        CHECK((seen.ends_with(" 404") || seen.ends_with(" 400")));
        CHECK(seen.find("secret") == std::string::npos);
        CHECK(seen.find("root:") == std::string::npos);
    }
}
