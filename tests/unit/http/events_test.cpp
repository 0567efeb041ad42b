// SPDX-License-Identifier: BSL-1.0
#include <portunus/http/events.hpp>

#include "support/catch.hpp"

#include <string>
#include <string_view>

using portunus::http::event;
using portunus::http::event_text;

namespace {

event with_id(std::string id) {
    event e("x");
    e.id = std::move(id);
    return e;
}

} // namespace

TEST_CASE("an event is a line for each field and each line of data") {
    CHECK(event_text(event("hello")) == "data: hello\n\n");
    CHECK(event_text(event()) == "data: \n\n");
    CHECK(event_text(event("lamp", "on")) == "event: lamp\ndata: on\n\n");
    CHECK(event_text(event("a\nb\r\nc\rd")) == "data: a\ndata: b\ndata: c\ndata: d\n\n");
    CHECK(event_text(event("\n")) == "data: \ndata: \n\n");
    CHECK(event_text(event("a\r\n\r\n")) == "data: a\ndata: \ndata: \n\n");
    CHECK(event_text(event(" a: b")) == "data:  a: b\n\n");
    event all("n", "d");
    all.id = "7";
    all.retry = std::chrono::milliseconds(1500);
    CHECK(event_text(all) == "id: 7\nevent: n\nretry: 1500\ndata: d\n\n");
    all.retry = std::chrono::milliseconds(-1);
    CHECK(event_text(all).find("retry: 0\n") != std::string::npos);
    CHECK(event_text(with_id("")) == "id: \ndata: x\n\n");
}

TEST_CASE("nothing in an event becomes another field or event") {
    CHECK(event_text(with_id("1\ndata: evil\n\nevent: evil")) == "id: 1\ndata: x\n\n");
    CHECK(event_text(with_id("1\rdata: evil")) == "id: 1\ndata: x\n\n");
    CHECK(event_text(with_id(std::string("1\0two", 5))) == "id: 1\ndata: x\n\n");
    CHECK(event_text(event("n\nid: 6", "x")) == "event: n\ndata: x\n\n");
    CHECK(event_text(event("\r\nid: 6", "x")) == "data: x\n\n");
    for (const std::string_view end : {"\n", "\r", "\r\n"}) {
        const std::string e = std::string(end), data = "a" + e + e + "event: evil" + e + "data: evil" + e + e;
        const std::string text = event_text(event(data));
        CHECK(text.find("\nevent") == std::string::npos);
        CHECK(text.find("\n\n") == text.size() - 2);
        CHECK(text.find('\r') == std::string::npos);
    }
}
