// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/multipart.hpp>

#include "support/catch.hpp"
#include "unit/http/multipart_support.hpp"

#include <portunus/testing/grind.hpp>

#include <random>
#include <string>
#include <string_view>

using namespace http_test;
using portunus::http::multipart_limits;
using portunus::http::multipart_parser;
using portunus::http::refusal;

namespace {

form_outcome read(std::string_view bytes, const multipart_limits& limits = {},
                  std::string_view boundary = "b") {
    return portunus::testing::grind(
        bytes, [&](std::span<const std::string_view> pieces) { return read_form(pieces, boundary, limits); },
        {.pairs_up_to = 60});
}
std::string part(const std::string& content, const std::string& name = "a") {
    return "Content-Disposition: form-data; name=\"" + name + "\"\r\n\r\n" + content;
}
std::string reason(const form_outcome& o) {
    return o.ended ? "fine" : o.why ? std::string(to_string(o.why.kind)) : "more";
}

} // namespace

TEST_CASE("a form comes out part by part, files with their name and type") {
    const form_outcome o = read("--b\r\n" + part("one", "x") +
                                "\r\n--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"a "
                                "b.txt\"\r\nContent-Type: text/plain\r\n\r\n"
                                "line\r\n--not the boundary\r\n\r\n--b\r\n" +
                                part("", "empty") + "\r\n--b--\r\n");
    CHECK(o.said == "{x:one}{f file a b.txt type text/plain:line\r\n--not the boundary\r\n}{empty:}");
    CHECK(o.ended);
}

TEST_CASE("names and file names may be tokens or quoted, with whatever other fields and parameters beside") {
    const auto head = [](const std::string& fields) {
        return read("--b\r\n" + fields + "\r\n\r\nx\r\n--b--").said;
    };
    CHECK(head("content-disposition:form-data;name=a") == "{a:x}");
    CHECK(head("Content-Disposition: FORM-DATA; Name=\"a;b\"; x=y") == "{a;b:x}");
    CHECK(head("X-Y: z\r\nContent-Disposition: form-data; name=\"\"") == "{:x}");
    CHECK(head("Content-Disposition: form-data; name=\"a\\\"b\"; filename=\"c:\\d\\e\"") ==
          "{a\\\"b file c:\\d\\e:x}");
    CHECK(head("Content-Disposition: form-data; name=a; filename=\"\"") == "{a file :x}");
    CHECK(head("Content-Disposition: form-data; name=\"\xc3\xa4\"") == "{\xc3\xa4:x}");
}

TEST_CASE("a preamble and blanks behind a boundary are skipped, within bounds") {
    CHECK(read("preamble\r\n--b\r\n" + part("x") + "\r\n--b--").said == "{a:x}");
    CHECK(read("\r\n--b \t\r\n" + part("x") + "\r\n--b--").said == "{a:x}");
    CHECK(read("--bb\r\n--b\r\n" + part("x") + "\r\n--b--").ended ==
          false); // "--b" begins a line: the boundary
    CHECK(reason(read(std::string(100, 'p'), {.max_part_head = 64})) == "preamble_too_large");
    CHECK(reason(read("--b" + std::string(64, ' ') + "\r\n" + part("x") + "\r\n--b--")) == "fine");
    CHECK(reason(read("--b" + std::string(65, ' ') + "\r\n" + part("x") + "\r\n--b--")) ==
          "malformed_multipart");
}

TEST_CASE("multipart bodies: each deviation has its own reason") {
    const struct {
        std::string bytes;
        const char* reason;
    } rows[] = {
        {"--b--", "fine"}, // a form without fields
        {"--b", "more"},
        {"--b-", "more"},
        {"--b\r\n" + part("x"), "more"},
        {"--b\r\n" + part("x") + "\r\n--b\r\n", "more"},
        {"--b-x", "malformed_multipart"},
        {"--bx", "malformed_multipart"},
        {"--b\n", "malformed_multipart"},
        {"--b\rx", "malformed_multipart"},
        {"--b \t x", "malformed_multipart"},
        {"--b\r\n" + part("x") + "\r\n--bx", "malformed_multipart"},
        {"--b\r\n\r\nx", "malformed_part_head"},
        {"--b\r\nX: y\r\n\r\nx", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data\r\n\r\nx", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; filename=a\r\n\r\n", "malformed_part_head"},
        {"--b\r\nContent-Disposition: attachment; name=a\r\n\r\n", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; name=a; filename=b; filename=c\r\n\r\n",
         "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; name=\"a\r\n\r\n", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; name=a b\r\n\r\n", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; name\r\n\r\n", "malformed_part_head"},
        {"--b\r\nContent-Disposition : form-data; name=a\r\n\r\n", "malformed_part_head"},
        {"--b\r\n" + part("", "a\x01") + "x", "malformed_part_head"},
        {"--b\r\n" + part("", "a\nb") + "x", "malformed_part_head"},
        {"--b\r\nContent-Disposition: form-data; name=a\r\nContent-Disposition: form-data; name=a\r\n\r\n",
         "malformed_part_head"},
        {"--b\r\n folded\r\n\r\n", "malformed_part_head"},
    };
    for (const auto& row : rows) {
        INFO(row.bytes);
        CHECK(reason(read(row.bytes)) == row.reason);
    }
    CHECK(read("--bx").why.detail() == "byte 3: neither CR LF nor \"--\" behind a boundary (met 0x78)");
}

TEST_CASE("the number of parts, their heads and their sizes are limited, and what fits is handed out first") {
    const std::string two = "--b\r\n" + part("1234") + "\r\n--b\r\n" + part("5678") + "\r\n--b--";
    CHECK(reason(read(two, {.max_parts = 2, .max_part_head = 44, .max_part = 4, .max_total = 8})) == "fine");
    CHECK(reason(read(two, {.max_parts = 1})) == "too_many_parts");
    CHECK(part("").size() == 44);
    CHECK(reason(read(two, {.max_part_head = 43})) == "part_head_too_large");
    const form_outcome part_limit = read(two, {.max_part = 3});
    CHECK(reason(part_limit) == "part_too_large");
    CHECK(part_limit.said == "{a:123");
    const form_outcome total = read(two, {.max_total = 7});
    CHECK(reason(total) == "form_too_large");
    CHECK(total.said == "{a:1234}{a:567");
    CHECK(total.why.answer() == portunus::http::status::payload_too_large);
}

TEST_CASE("a boundary is checked, and found in the content type") {
    const auto open = [](std::string_view text) { return multipart_parser::open(text).has_value(); };
    CHECK(open("b"));
    CHECK(open(std::string(70, 'x')));
    CHECK(open("----WebKitFormBoundary7MA4YWxkTrZu0gW"));
    CHECK(open("a'()+_,-./:=? b"));
    for (const char* bad : {"", "a ", "a\"b", "a\r\nb", "a;b", "\xc3\xa4"}) CHECK_FALSE(open(bad));
    CHECK_FALSE(open(std::string(71, 'x')));
    CHECK_THROWS_AS(multipart_parser(""), portunus::failure);
    const auto of_type = [](std::string_view text) {
        return multipart_parser::from_content_type(text).has_value();
    };
    CHECK(of_type("multipart/form-data; boundary=abc"));
    CHECK(of_type("Multipart/Form-Data; charset=utf-8; Boundary=\"a b\""));
    for (const char* bad : {"", "multipart/form-data", "multipart/mixed; boundary=abc",
                            "text/plain; boundary=abc", "multipart/form-data; boundary=",
                            "multipart/form-data; boundary=\"\"", "multipart/form-data; boundary=\"a"})
        CHECK_FALSE(of_type(bad));
}

TEST_CASE("a file name of a client becomes a name without a path, or none") {
    using portunus::http::safe_file_name;
    CHECK(safe_file_name("a.txt") == "a.txt");
    CHECK(safe_file_name("/etc/passwd") == "passwd");
    CHECK(safe_file_name("C:\\dir\\a.txt") == "a.txt");
    CHECK(safe_file_name("../..") == "");
    CHECK(safe_file_name("..") == "");
    CHECK(safe_file_name(".") == "");
    CHECK(safe_file_name("a/") == "");
    CHECK(safe_file_name("a\nb") == "");
    CHECK(safe_file_name(std::string_view("a\0b", 3)) == "");
    CHECK(portunus::http::unescaped("a\\\"b\\\\c\\d\\") == "a\"b\\c\\d\\");
}

TEST_CASE("multipart bodies: whole and by the byte come to the same, whatever the bytes are") {
    std::mt19937 random(19);
    const std::string good = "--b\r\n" + part("1\r\n2") + "\r\n--b\r\n" + part("x", "y") + "\r\n--b--\r\n";
    const std::string_view telling[] = {"\r\n", "\r",       "\n", "-", "--b", "\r\n--b",
                                        " ",    "\r\n\r\n", "\"", ";", "b"};
    for (int i = 0; i != 4000; ++i) {
        std::string bytes = good;
        for (std::size_t steps = 1 + random() % 4; steps != 0; --steps) {
            const std::size_t at = random() % (bytes.size() + 1);
            if (random() % 3 != 0)
                bytes.insert(at, telling[random() % std::size(telling)]);
            else
                bytes.erase(at, 1 + random() % 4);
        }
        const multipart_limits limits{.max_parts = 1 + random() % 3,
                                      .max_part_head = 40 + random() % 20,
                                      .max_part = random() % 8,
                                      .max_total = random() % 12};
        const std::string_view whole = bytes;
        CHECK(read_form(std::span(&whole, 1), "b", limits) == read_form_by_byte(bytes, "b", limits));
    }
}
