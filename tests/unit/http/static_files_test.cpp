// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/static_files.hpp>

#include "unit/http/files_support.hpp"
#include "unit/http/site_support.hpp"

#include <portunus/http/date.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <sys/stat.h>

using namespace portunus_tests;
using http::static_files;
using http::static_files_options;
using http::verb;

namespace {

constexpr std::string_view changed = "Sun, 06 Nov 1994 08:49:37 GMT";

/// Served as the whole site, and beneath /files/.
struct file_site {
    explicit file_site(static_files_options o = {})
        : files(dir.at("root"), (dir.directory("root"), std::move(o))), whole(files), routed(routes()) {}

    http::router<http::handler> routes() const {
        http::router<http::handler> r;
        r.add("/files/*", files);
        return r;
    }
    answer get(std::string_view path, std::string_view fields = "") {
        return whole.ask("GET " + std::string(path), fields);
    }

    scratch_directory dir;
    static_files files;
    site whole;
    site routed;
};

std::string digits(std::size_t n) {
    std::string text;
    while (text.size() < n) text += "0123456789";
    text.resize(n);
    return text;
}

} // namespace

TEST_CASE("a file is served with its type, its length, its tag and its date") {
    file_site s;
    s.dir.put("root/a b.html", "<p>hello");
    s.dir.put("root/one/two/x.bin", "1234");
    s.dir.put("root/empty.txt", "");
    for (const auto& a :
         {s.get("/a%20b.html"), s.get("/a%20b.html?x=1"), s.routed.ask("GET /files/a%20b.html")}) {
        CHECK(a.status == 200);
        CHECK(a.body == "<p>hello");
        CHECK(a["Content-Type"] == "text/html; charset=utf-8");
        CHECK(a["Content-Length"] == "8");
        CHECK(a["Last-Modified"] == changed);
        CHECK(a["ETag"].size() == 18);
        CHECK(a["Accept-Ranges"] == "bytes");
        CHECK(a["Cache-Control"] == "no-cache");
        CHECK(a["Vary"] == "Accept-Encoding");
    }
    const auto nested = s.get("/one/two/x.bin");
    CHECK(nested.body == "1234");
    CHECK(nested["Content-Type"] == "application/octet-stream");
    CHECK_FALSE(nested.has("Vary"));
    const auto empty = s.get("/empty.txt");
    CHECK(empty.status == 200);
    CHECK(empty["Content-Length"] == "0");
    const auto head = s.whole.ask("HEAD /a%20b.html");
    CHECK(head.head.substr(head.head.find("Content-Type")) ==
          s.get("/a%20b.html").head.substr(head.head.find("Content-Type")));
    CHECK(head.body.empty());
}

TEST_CASE("no path leads out of the root, to a hidden name, or to what is no file") {
    file_site s;
    s.dir.put("secret", "secret");
    s.dir.put("root/a", "a");
    s.dir.put("root/one/b", "b");
    s.dir.put("root/.hidden", "secret");
    s.dir.put("root/.git/config", "secret");
    s.dir.link("root/out", "../secret");
    s.dir.link("root/up", "..");
    s.dir.link("root/absolute", s.dir.at("secret"));
    REQUIRE(::mkfifo(s.dir.at("root/fifo").c_str(), 0600) == 0);
    const std::string long_name(300, 'x');
    std::string deep;
    for (int i = 0; i != 1500; ++i) deep += "one/";
    for (const std::string& path : {std::string("../secret"),
                                    std::string("..%2fsecret"),
                                    std::string("%2e%2e/secret"),
                                    std::string("one/../../secret"),
                                    std::string("one/%2E%2e/a"),
                                    std::string("./a"),
                                    std::string("%2fetc/passwd"),
                                    std::string("/etc/passwd"),
                                    std::string("//etc/passwd"),
                                    std::string("one//b"),
                                    std::string("one%2fb"),
                                    std::string(".hidden"),
                                    std::string("%2ehidden"),
                                    std::string(".git/config"),
                                    std::string("out"),
                                    std::string("up/secret"),
                                    std::string("absolute"),
                                    std::string("fifo"),
                                    std::string("a/"),
                                    std::string("a/b"),
                                    std::string("..\\secret"),
                                    std::string("..%5csecret"),
                                    std::string("a%00"),
                                    std::string("%00"),
                                    std::string("%zz"),
                                    std::string("%"),
                                    std::string("one/"),
                                    std::string(""),
                                    std::string("..."),
                                    long_name,
                                    deep}) {
        INFO(path.substr(0, 50));
        const auto direct = s.get("/" + path);
        CHECK((direct.status == 404 || direct.status == 400));
        CHECK(direct.body.find("secret") == std::string::npos);
        const auto routed = s.routed.ask("GET /files/" + path);
        CHECK((routed.status == 404 || routed.status == 400));
        CHECK(routed.body.find("secret") == std::string::npos);
    }
    CHECK(s.get("/a").body == "a");
}

TEST_CASE("hidden names, links and the index are as the options say") {
    static_files_options o;
    o.hidden = true;
    o.symlinks = GENERATE(false, true);
    o.index = "start.html";
    o.cache_control = "";
    file_site s(o);
    s.dir.put("root/.well-known/x", "known");
    s.dir.put("root/a", "a");
    s.dir.put("root/start.html", "start");
    s.dir.link("root/link", "a");
    CHECK(s.get("/.well-known/x").body == "known");
    CHECK(s.get("/").body == "start");
    CHECK_FALSE(s.get("/").has("Cache-Control"));
    CHECK(s.get("/../a").status == 404);
    const auto linked = s.get("/link");
    if (linked.status != 200 && o.symlinks) WARN("this kernel has no openat2: no link is followed");
    if (!o.symlinks) CHECK(linked.status == 404);
    CHECK_THROWS_AS(static_files(s.dir.at("nothing")), portunus::failure);
    CHECK_THROWS_AS(static_files(s.dir.at("root/a")), portunus::failure);
    o.index = "../x";
    CHECK(static_files::open(s.dir.at("root"), o).error() == portunus::errc::invalid_option);
    o.index = "";
    o.cache_control = "a\r\nb";
    CHECK(static_files::open(s.dir.at("root"), o).error() == portunus::errc::invalid_option);
}

TEST_CASE("a directory is its index, and is redirected to where its links hold") {
    file_site s;
    s.dir.put("root/index.html", "top");
    s.dir.put("root/one two/index.html", "one");
    s.dir.directory("root/bare");
    s.dir.directory("root/@host");
    CHECK(s.get("/").body == "top");
    CHECK(s.get("/")["Content-Type"] == "text/html; charset=utf-8");
    CHECK(s.get("/one%20two/").body == "one");
    CHECK(s.routed.ask("GET /files/").body == "top");
    CHECK(s.get("/bare/").status == 404);
    const auto a = s.get("/one%20two?x=1");
    CHECK(a.status == 301);
    CHECK(a["Location"] == "./one%20two/?x=1");
    CHECK(s.get("/@host")["Location"] == "./@host/");
    CHECK(s.routed.ask("GET /files/one%20two")["Location"] == "./one%20two/");
}

TEST_CASE("other methods are refused, with those that are allowed") {
    file_site s;
    s.dir.put("root/a", "a");
    const auto a = s.routed.ask("DELETE /files/a");
    CHECK(a.status == 405);
    CHECK(a["Allow"] == "GET, HEAD");
}

TEST_CASE("conditions are kept to, in their order") {
    file_site s;
    s.dir.put("root/a", "hello");
    const std::string tag = s.get("/a")["ETag"];
    struct row {
        std::string fields;
        int status;
    };
    const std::string date(changed), before = "Sun, 06 Nov 1994 08:49:36 GMT",
                                     after = "Sun, 06 Nov 1994 08:49:38 GMT";
    for (const row& r :
         std::vector<row>{{"If-None-Match: " + tag, 304},
                          {"If-None-Match: W/" + tag, 304},
                          {"If-None-Match: \"x\", " + tag, 304},
                          {"If-None-Match: \"x\"\r\nIf-None-Match: " + tag, 304},
                          {"If-None-Match: *", 304},
                          {"If-None-Match: \"x\"", 200},
                          {"If-Modified-Since: " + date, 304},
                          {"If-Modified-Since: " + after, 304},
                          {"If-Modified-Since: " + before, 200},
                          {"If-Modified-Since: yesterday", 200},
                          {"If-None-Match: \"x\"\r\nIf-Modified-Since: " + date, 200}, // the tag decides
                          {"If-Match: " + tag, 200},
                          {"If-Match: *", 200},
                          {"If-Match: W/" + tag, 412},
                          {"If-Match: \"x\"", 412},
                          {"If-Match: \"x\"\r\nIf-None-Match: " + tag, 412},
                          {"If-Unmodified-Since: " + date, 200},
                          {"If-Unmodified-Since: " + before, 412},
                          {"If-Match: " + tag + "\r\nIf-Unmodified-Since: " + before, 200}}) {
        INFO(r.fields);
        const auto a = s.get("/a", r.fields + "\r\n");
        CHECK(a.status == r.status);
        CHECK(s.whole.ask("HEAD /a", r.fields + "\r\n").status == r.status);
        if (r.status != 304) continue;
        CHECK(a.body.empty());
        CHECK(a["ETag"] == tag);
        CHECK(a["Cache-Control"] == "no-cache");
        CHECK_FALSE(a.has("Content-Length"));
    }
    s.dir.put("root/a", "hello", 784111777, 6); // a nanosecond later
    CHECK(s.get("/a", "If-None-Match: " + tag + "\r\n").status == 200);
}

TEST_CASE("a date in the future is not told") {
    file_site s;
    s.dir.put("root/a", "a", 4102444800);
    const auto a = s.get("/a");
    const auto time = [&](std::string_view name) { return http::parse_http_date(a[name], {}); };
    REQUIRE(time("Last-Modified"));
    CHECK(*time("Last-Modified") <= *time("Date"));
}

TEST_CASE("one range is a 206 with its place, whether small or large") {
    file_site s;
    const std::size_t size = GENERATE(1000u, 300'000u);
    const std::string text = digits(size), total = "/" + std::to_string(size);
    s.dir.put("root/a", text);
    const auto part = [&](std::string_view range, std::size_t from, std::size_t n) {
        const auto a = s.get("/a", "Range: bytes=" + std::string(range) + "\r\n");
        INFO(range);
        CHECK(a.status == 206);
        CHECK((a.body == text.substr(from, n)));
        CHECK(a["Content-Range"] ==
              "bytes " + std::to_string(from) + "-" + std::to_string(from + n - 1) + total);
        CHECK(a["Content-Length"] == std::to_string(n));
    };
    part("0-0", 0, 1);
    part("3-9", 3, 7);
    part("100-", 100, size - 100);
    part("-5", size - 5, 5);
    part("-999999999", 0, size);
    part("5-99999999999999999999999", 5, size - 5);
    for (const char* beyond : {"bytes=300000-", "bytes=-0", "bytes=999999-9999999"}) {
        const auto a = s.get("/a", "Range: " + std::string(beyond) + "\r\n");
        CHECK(a.status == 416);
        CHECK(a["Content-Range"] == "bytes *" + total);
    }
    // None, or too many, or in a way that wants to hurt: everything.
    std::string many = "0-0";
    for (int i = 1; i != 17; ++i) many += "," + std::to_string(2 * i) + "-" + std::to_string(2 * i);
    for (const std::string& whole :
         {std::string("items=0-1"), std::string("bytes=5-3"), std::string("bytes=a-b"), std::string("bytes="),
          "bytes=" + many, std::string("bytes=0-5,3-7"), std::string("bytes=5-6,0-1"),
          std::string("bytes=0-1\r\nRange: bytes=4-5")}) {
        const auto a = s.get("/a", "Range: " + whole + "\r\n");
        INFO(whole);
        CHECK(a.status == 200);
        CHECK((a.body == text));
    }
    CHECK(s.whole.ask("HEAD /a", "Range: bytes=0-1\r\n")["Content-Length"] == std::to_string(size));
}

TEST_CASE("several ranges are parts of one body, of the length that was said") {
    file_site s;
    const std::size_t size = GENERATE(1000u, 300'000u);
    const std::string text = digits(size), total = "/" + std::to_string(size);
    s.dir.put("root/a.txt", text);
    const auto a = s.get("/a.txt", "Range: bytes=0-4, 10-500,-100\r\n");
    CHECK(a.status == 206);
    CHECK_FALSE(a.has("Content-Range"));
    const std::string type = a["Content-Type"];
    REQUIRE(type.starts_with("multipart/byteranges; boundary="));
    const std::string line = "--" + type.substr(type.find('=') + 1);
    const auto part = [&](std::size_t from, std::size_t n) {
        return line + "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Range: bytes " +
               std::to_string(from) + "-" + std::to_string(from + n - 1) + total + "\r\n\r\n" +
               text.substr(from, n) + "\r\n";
    };
    CHECK((a.body == part(0, 5) + part(10, 491) + part(size - 100, 100) + line + "--\r\n"));
    CHECK(a["Content-Length"] == std::to_string(a.body.size()));
    CHECK(s.get("/a.txt", "Range: bytes=0-4, 10-500,-100\r\n")["Content-Type"] != type);
    // Those behind the end are left out; one that is left is no multipart.
    CHECK(s.get("/a.txt", "Range: bytes=1-2,9999999-\r\n")["Content-Range"] == "bytes 1-2" + total);
}

TEST_CASE("a range with a condition is the whole file once that has changed") {
    file_site s;
    s.dir.put("root/a", "0123456789");
    const std::string tag = s.get("/a")["ETag"];
    const auto with = [&](const std::string& condition) {
        return s.get("/a", "Range: bytes=2-3\r\nIf-Range: " + condition + "\r\n").status;
    };
    CHECK(with(tag) == 206);
    CHECK(with(std::string(changed)) == 206);
    CHECK(with("W/" + tag) == 200);
    CHECK(with("\"x\"") == 200);
    CHECK(with("Sun, 06 Nov 1994 08:49:38 GMT") == 200);
    CHECK(with("nonsense") == 200);
}

TEST_CASE("a compressed file beside a file is sent to who wants it, unless it is older or no file") {
    file_site s;
    s.dir.put("root/a.html", "plain");
    s.dir.put("root/a.html.gz", "packed");
    s.dir.put("root/old.html", "plain", 784111777, 500);
    s.dir.put("root/old.html.gz", "packed", 784111777, 499);
    s.dir.put("root/b.html", "plain");
    s.dir.directory("root/b.html.gz");
    s.dir.put("root/c.png", "plain");
    s.dir.put("root/c.png.gz", "packed");
    const auto wants = [&](std::string_view path) { return s.get(path, "Accept-Encoding: gzip\r\n"); };
    const auto a = wants("/a.html");
    CHECK(a.body == "packed");
    CHECK(a["Content-Encoding"] == "gzip");
    CHECK(a["Content-Type"] == "text/html; charset=utf-8");
    CHECK(a["Vary"] == "Accept-Encoding");
    const auto plain = s.get("/a.html");
    CHECK(plain.body == "plain");
    CHECK(plain["Vary"] == "Accept-Encoding");
    CHECK_FALSE(plain.has("Content-Encoding"));
    CHECK(plain["ETag"] != a["ETag"]);
    CHECK(s.get("/a.html", "Accept-Encoding: gzip\r\nIf-None-Match: " + a["ETag"] + "\r\n").status == 304);
    CHECK(s.get("/a.html", "Accept-Encoding: gzip\r\nRange: bytes=0-2\r\n").body == "pac");
    for (const char* path : {"/old.html", "/b.html", "/c.png"}) CHECK(wants(path).body == "plain");
    CHECK(s.get("/a.html.gz")["Content-Type"] == "application/gzip");
}

TEST_CASE("a file that is missing may have a substitute, which is made when it is asked for") {
    static_files_options o;
    o.substitute = [](const http::request&, std::string_view path) -> std::optional<http::response> {
        if (path != "img/pix1.bmp") return std::nullopt;
        return http::response(http::status::ok, "made", http::media::html);
    };
    file_site s(o);
    CHECK(s.get("/img/pix1.bmp").body == "made");
    CHECK(s.get("/img/pix2.bmp").status == 404);
    CHECK(s.get("/img/../pix1.bmp").status == 404);
    s.dir.put("root/img/pix1.bmp", "real");
    CHECK(s.get("/img/pix1.bmp").body == "real");
}

TEST_CASE("a large file arrives whole and leaves no descriptor open, also when its client goes away") {
    file_site s;
    const std::string text = pattern(5'000'000);
    s.dir.put("root/large", text);
    s.get("/large"); // whatever is opened once is open now
    const std::size_t before = open_descriptors();
    for (int i = 0; i != 3; ++i) {
        const auto a = s.get("/large");
        CHECK(a["Content-Length"] == "5000000");
        CHECK((a.body == text));
        CHECK(s.whole.ask("HEAD /large")["Content-Length"] == "5000000");
    }
    for (int i = 0; i != 10; ++i) {
        auto peer = connect_to(s.whole.server);
        peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.read(static_cast<std::size_t>(i) * 20'000);
        peer.reset();
    }
    eventually([&] { return open_descriptors() <= before; });
}

TEST_CASE("a server that is stopped while files are sent closes them") {
    const std::size_t before = open_descriptors();
    {
        file_site s;
        s.dir.put("root/large", pattern(5'000'000));
        auto peer = connect_to(s.whole.server);
        peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        peer.read(1000);
        s.whole.runs.stop(0s);
    }
    CHECK(open_descriptors() == before);
}

TEST_CASE("a file that becomes shorter while it is sent breaks the connection") {
    file_site s;
    s.dir.put("root/large", pattern(20'000'000));
    auto peer = connect_to(s.whole.server);
    peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    peer.read(1000);
    std::filesystem::resize_file(s.dir.at("root/large"), 100'000);
    const auto [text, end] = peer.read_to_end();
    CHECK(text.size() < 20'000'000);
    CHECK(end == ending::reset);
}

TEST_CASE("a runtime that is destroyed at any moment while a file is sent leaves no descriptor open") {
    const scratch_directory dir;
    dir.put("large", pattern(3'000'000));
    const std::size_t before = open_descriptors();
    for (int steps = 0; steps != 30; ++steps) {
        portunus::runtime rt(1, portunus::logger::silent());
        const auto server = rt.listen(open_site(), static_files(dir.at()));
        auto peer = connect_to(server);
        peer.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
        for (int i = 0; i != steps; ++i) {
            rt.context().restart();
            rt.context().run_one_for(5ms);
        }
    }
    CHECK(open_descriptors() == before);
}
