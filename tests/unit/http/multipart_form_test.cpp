// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/multipart_form.hpp>

#include "support/catch.hpp"

#include <portunus/http/multipart.hpp>

using namespace portunus::http;

namespace {
/// What our own parser reads.
std::string read(std::string_view type, std::string_view bytes) {
    auto parser = multipart_parser::from_content_type(type).value();
    std::string text;
    for (;;) {
        const multipart_step step = parser.next(bytes);
        if (step.what == multipart_step::kind::part)
            text.append("[")
                .append(step.part.name)
                .append("|")
                .append(step.part.file_name.value_or("-"))
                .append("|")
                .append(step.part.content_type)
                .append("|");
        if (step.what == multipart_step::kind::data) text.append(step.data);
        if (step.what == multipart_step::kind::part_end) text.append("]");
        if (step.what == multipart_step::kind::end) return text;
        if (step.what == multipart_step::kind::refused || step.what == multipart_step::kind::more)
            return text + "?";
        bytes.remove_prefix(step.consumed);
    }
}
} // namespace

TEST_CASE("what a form writes is what a server reads") {
    multipart_form form;
    form.add("room", "kitchen").add_file("photo", "door.jpg", std::string_view("\0\r\n--x", 6), "image/jpeg");
    form.add("a\"b\r\nc", "");
    CHECK(read(form.content_type(), form.text()) == "[room|-||kitchen][photo|door.jpg|image/jpeg|" +
                                                        std::string("\0\r\n--x", 6) + "][a%22b%0D%0Ac|-||]");
    CHECK(read(form.content_type(), form.begin_file("last", "x") + "content" + form.end())
              .ends_with("[last|x|application/octet-stream|content]"));
    CHECK(multipart_form().boundary() != form.boundary());
    CHECK(read(multipart_form("b").content_type(), multipart_form("b").text()) == "");
}

TEST_CASE("a form takes no boundary, name or type that would break it") {
    for (const char* bad : {"", "a ", "a\"b", "a\nb"})
        CHECK_THROWS_AS(multipart_form(bad), portunus::failure);
    CHECK_THROWS_AS(multipart_form(std::string(71, 'a')), portunus::failure);
    CHECK_THROWS_AS(multipart_form().add(std::string_view("\0", 1), ""), portunus::failure);
    CHECK_THROWS_AS(multipart_form().add_file("a", "b", "c", "d\r\nX: y"), portunus::failure);
}
