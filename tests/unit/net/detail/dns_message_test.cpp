// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/detail/dns_message.hpp>

#include "support/catch.hpp"
#include "support/world.hpp"

#include <array>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus_tests;
using namespace std::string_literals;
using namespace portunus::detail::dns;
using portunus::errc;

namespace {

name named(std::string_view text) {
    return must(name::parse(text));
}

/// A header: a response with so many questions and answers.
std::string header(unsigned questions, unsigned answers, unsigned flags = 0x8400) {
    const auto two = [](unsigned n) {
        return std::string{static_cast<char>(n >> 8), static_cast<char>(n & 0xff)};
    };
    return "\x12\x34"s + two(flags) + two(questions) + two(answers) + two(0) + two(0);
}

/// The head of a record behind its name: type, class IN with the flush bit, 120 s, the size of the data.
std::string head(unsigned type, unsigned size) {
    return std::string{static_cast<char>(type >> 8), static_cast<char>(type & 0xff)} + "\x80\x01"s +
           "\0\0\0\x78"s + static_cast<char>(size >> 8) + static_cast<char>(size & 0xff);
}

/// In memory of exactly its size, so that a read past the end is seen.
struct exact {
    explicit exact(std::string_view bytes) : memory(new char[bytes.size()]), size(bytes.size()) {
        std::copy(bytes.begin(), bytes.end(), memory.get());
    }
    std::string_view view() const { return {memory.get(), size}; }
    std::unique_ptr<char[]> memory;
    std::size_t size;
};

std::vector<record_view> records_of(const message& m) {
    std::vector<record_view> all;
    m.each_record([&all](const record_view& r) { all.push_back(r); });
    return all;
}

const std::string hub_local = "\x03hub\x05local\0"s; // 11 bytes

std::string good_message() {
    std::string m = header(1, 4);
    m += hub_local + "\0\x01\x80\x01"s;                                         // A? QU          12
    m += "\xc0\x0c"s + head(1, 4) + "\x0a\0\0\x07"s;                            // A              27
    m += "\x09_portunus\x04_tcp\xc0\x10"s + head(12, 8) + "\x05Study\xc0\x2b"s; // PTR           43
    m += "\x05Study\xc0\x2b"s + head(33, 8) + "\0\0\0\0\x1b\x59\xc0\x0c"s;      // SRV port 7001
    m += "\xc0\x46"s + head(16, 8) + "\x03"s + "a=b" + "\x03" + "flg";          // TXT
    return m;
}

} // namespace

// names
// -----------------------------------------------------------------------------------------------------

TEST_CASE("a name reads from text and writes itself again, dots and backslashes in labels included") {
    struct row {
        const char *text, *again;
        std::size_t labels;
    };
    const row r = GENERATE(row{"hub.local", "hub.local", 2}, row{"hub.local.", "hub.local", 2},
                           row{"Study No\\. 1._http._tcp.local", "Study No\\. 1._http._tcp.local", 4},
                           row{"back\\\\slash.local", "back\\\\slash.local", 2},
                           row{"tab\\009.local", "tab\\009.local", 2}, row{"\\104ub.local", "hub.local", 2},
                           row{"b\xc3\xbc"
                               "ro.local",
                               "b\xc3\xbc"
                               "ro.local",
                               2},
                           row{".", ".", 0});
    CAPTURE(r.text);
    name n = named(r.text);
    CHECK(n.text() == r.again);
    CHECK(named(n.text()) == n);
    std::size_t labels = 0;
    for (; !n.is_root(); n = n.parent()) ++labels;
    CHECK(labels == r.labels);
}

TEST_CASE("a text that is no name is refused with its flaw") {
    const std::string long_label(64, 'a');
    const std::string label(63, 'a');
    const std::string too_long = label + '.' + label + '.' + label + '.' + label;
    const std::string longest = too_long.substr(0, too_long.size() - 2);
    for (const std::string& text :
         {""s, ".a"s, "a..b"s, long_label, long_label + ".local", too_long, "a\\"s, "a\\25"s, "a\\256"s})
        CHECK(error_of(name::parse(text)) == errc::invalid_name);
    CHECK(named(longest).wire().size() == 254);
    CHECK(error_of(name::parse("a..b")).detail() == "\"a..b\": the name has an empty label");
}

TEST_CASE("names are the same without regard to the case of ASCII letters, and only then") {
    CHECK(named("Hub.LOCAL") == named("hub.local"));
    CHECK_FALSE(named("hub.local") == named("hub2.local"));
    CHECK_FALSE(named("hub.local") == named("local"));
    CHECK_FALSE(named("hub\\.local") == named("hub.local"));
    CHECK_FALSE(named("b\xc3\xbc.local") == named("b\xc3\x9c.local")); // UTF-8 is compared byte by byte
    CHECK(named("a.hub.Local").within(named("hub.local")));
    CHECK(named("hub.local").within(named("hub.local")));
    CHECK_FALSE(named("chub.local").within(named("hub.local")));
    CHECK_FALSE(named("local").within(named("hub.local")));
}

TEST_CASE("the reverse name of an address is that of RFC 1035 3.5 and RFC 3596 2.5") {
    CHECK(reverse_name(asio::ip::make_address("10.231.0.2")).text() == "2.0.231.10.in-addr.arpa");
    CHECK(reverse_name(asio::ip::make_address("fe80::12")).text() ==
          "2.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.e.f.ip6.arpa");
}

// reading
// ---------------------------------------------------------------------------------------------------

TEST_CASE("a message made by hand reads as what it says") {
    const exact bytes(good_message());
    const message m = must(message::read(bytes.view()));
    CHECK(m.id() == 0x1234);
    CHECK(m.is_response());
    CHECK(m.is_plain());
    CHECK_FALSE(m.is_truncated());
    std::vector<question_view> questions;
    m.each_question([&](const question_view& q) { questions.push_back(q); });
    REQUIRE(questions.size() == 1);
    CHECK(questions[0].owner == named("HUB.local"));
    CHECK_FALSE(questions[0].owner == named("hub"));
    CHECK_FALSE(questions[0].owner == named("hub.local.x"));
    CHECK(questions[0].unicast);
    CHECK(questions[0].asks_for(type_a));
    CHECK_FALSE(questions[0].asks_for(type_aaaa));
    const auto all = records_of(m);
    REQUIRE(all.size() == 4);
    CHECK(all[0].owner == named("hub.local"));
    CHECK(all[0].flush);
    CHECK(all[0].klass == class_in);
    CHECK(all[0].ttl == 120);
    CHECK(all[0].address() == asio::ip::make_address("10.0.0.7"));
    CHECK(all[1].owner.text() == "_portunus._tcp.local");
    CHECK(all[1].target().text() == "Study._portunus._tcp.local");
    CHECK(all[2].owner == all[1].target().to_name());
    CHECK(all[2].port() == 7001);
    CHECK(all[2].target() == named("hub.local"));
    CHECK(all[2].data() == "\0\0\0\0\x1b\x59"s + hub_local);
    CHECK(all[3].owner == named("Study._portunus._tcp.local"));
    std::vector<std::string> text;
    all[3].each_string([&](std::string_view s) { text.emplace_back(s); });
    CHECK(text == std::vector<std::string>{"a=b", "flg"});
}

TEST_CASE("a message that is cut off anywhere is refused, and nothing behind it is read") {
    const std::string whole = good_message();
    for (std::size_t size = 0; size < whole.size(); ++size) {
        const exact cut(whole.substr(0, size));
        const auto failed = message::read(cut.view());
        CAPTURE(size);
        REQUIRE(error_of(failed) == errc::malformed_frame);
    }
    CHECK(message::read(whole + "more").has_value()); // bytes behind the last record are nobody's
}

TEST_CASE("each rule of a compressed name, broken once, is told with its byte") {
    struct row {
        std::string bytes; // behind a header with one question
        const char* told;
    };
    const std::string end = "\0\x01\0\x01"s;
    const std::string label(63, 'x');
    const auto row_of = GENERATE_COPY(
        row{"", "byte 12 of 12 of a DNS message: the name is cut off"},
        row{"\x03hub", "byte 16 of 16 of a DNS message: the name is cut off"},
        row{"\x05hub", "byte 12 of 16 of a DNS message: a label is cut off"},
        row{"\x03hub\xc0", "byte 16 of 17 of a DNS message: a pointer is cut off"},
        row{"\xc0\x0c"s + end, "byte 12 of 18 of a DNS message: a pointer of a name does not point back"},
        row{"\x01h\xc0\x0c"s + end,
            "byte 14 of 20 of a DNS message: a pointer of a name does not point back"},
        row{"\xc0\x0e\xc0\x0c"s + end,
            "byte 12 of 20 of a DNS message: a pointer of a name does not point back"},
        row{"\x01h\xc0\x0d"s + end,
            "byte 14 of 20 of a DNS message: a pointer of a name does not point back"},
        row{"\xff\xff"s + end, "byte 12 of 18 of a DNS message: a pointer of a name does not point back"},
        row{"\xc0\x00"s + end, "byte 12 of 18 of a DNS message: a pointer of a name points into the header"},
        row{"\x01h\xc0\x0b"s + end,
            "byte 14 of 20 of a DNS message: a pointer of a name points into the header"},
        row{"\x41h"s + end, "byte 12 of 18 of a DNS message: a label is of an unknown kind"},
        row{"\x80h"s + end, "byte 12 of 18 of a DNS message: a label is of an unknown kind"},
        row{"\x3f"s + label + "\x3f" + label + "\x3f" + label + "\x3f" + label + "\0"s + end,
            "byte 204 of 273 of a DNS message: a name exceeds 255 bytes"},
        row{"\x03hub\0\0\x01"s, "byte 17 of 19 of a DNS message: a question is cut off"});
    CAPTURE(row_of.told);
    const exact bytes(header(1, 0) + row_of.bytes);
    const auto failed = message::read(bytes.view());
    REQUIRE(error_of(failed) == errc::malformed_frame);
    CHECK(failed.error().detail() == row_of.told);
}

TEST_CASE("a longer name is put together by pointers only as far as a name may be long") {
    // 64 labels of one byte take 128; a name that appends itself by a pointer twice would be too long
    std::string m = header(3, 0);
    for (int i = 0; i < 64; ++i)
        m += "\x01"
             "a";
    m += "\0\0\x01\0\x01"s;
    const std::size_t second = m.size();
    for (int i = 0; i < 63; ++i)
        m += "\x01"
             "b";
    m += "\xc0\x0c\0\x01\0\x01"s; // 126 + 129 = 255: as long as can be
    std::string good = m;
    good += "\xc0"s + static_cast<char>(second) + "\0\x01\0\x01"s;
    CHECK(message::read(good).has_value());
    std::string bad = m;
    bad += "\x01"
           "c\xc0"s +
           static_cast<char>(second) + "\0\x01\0\x01"s;
    CHECK(error_of(message::read(bad)).detail().find("exceeds 255 bytes") != std::string_view::npos);
}

TEST_CASE("a chain of pointers is followed only as far as a name could have labels") {
    // data of a record that nobody reads holds pointers, each to the one before it
    const auto chain = [](std::size_t jumps) {
        std::string m = header(0, 2);
        m += "\0"s + head(99, static_cast<unsigned>(1 + 2 * (jumps - 1)));
        std::size_t last = m.size();
        m += '\0';
        for (std::size_t i = 1; i < jumps; ++i) {
            const std::size_t here = m.size();
            m += static_cast<char>(0xc0 | last >> 8);
            m += static_cast<char>(last & 0xff);
            last = here;
        }
        m += static_cast<char>(0xc0 | last >> 8);
        m += static_cast<char>(last & 0xff);
        return m + head(99, 0);
    };
    CHECK(message::read(chain(most_jumps)).has_value());
    CHECK(error_of(message::read(chain(most_jumps + 1))).detail().find("more pointers") !=
          std::string_view::npos);
}

TEST_CASE("the data of the records that are known is checked, that of others is not") {
    struct row {
        unsigned type;
        std::string data;
        const char* told; // null: good
    };
    const row r = GENERATE(
        row{1, "\x0a\0\0"s, "an A record has not 4 bytes"},
        row{1, "\x0a\0\0\1\2"s, "an A record has not 4 bytes"},
        row{28, "\x0a\0\0\7"s, "an AAAA record has not 16 bytes"}, row{28, std::string(16, 'x'), nullptr},
        row{33, "\0\0\0\0\1\1"s, "an SRV record is cut off"},
        row{33, "\0\0\0\0\1\1\x02x"s, "a label is cut off"}, row{33, "\0\0\0\0\1\1\0"s, nullptr},
        row{33, "\0\0\0\0\1\1\0\0"s, "a name does not fill the data of its record"},
        row{12, ""s, "the name is cut off"}, row{12, "\0x"s, "a name does not fill the data of its record"},
        row{16, "\x04txt"s, "a string of a TXT record is cut off"}, row{16, ""s, nullptr},
        row{16, "\0"s, nullptr}, row{16, "\x03txt\0"s, nullptr}, row{47, "\xff\xff"s, nullptr},
        row{4711, "\xff"s, nullptr});
    CAPTURE(r.type, r.data.size());
    const exact bytes(header(0, 1) + hub_local + head(r.type, static_cast<unsigned>(r.data.size())) + r.data);
    const auto read = message::read(bytes.view());
    if (r.told)
        CHECK(error_of(read).detail().find(r.told) != std::string_view::npos);
    else
        CHECK(read.has_value());
}

TEST_CASE("a name in the data of a record must end with the data, though the message goes on") {
    const std::string m = header(0, 2) + hub_local + head(12, 3) + "\x05other\0"s + head(99, 0);
    CHECK(error_of(message::read(m)) == errc::malformed_frame);
}

TEST_CASE("counts that promise more than there is, and messages that are too large, are refused") {
    CHECK(error_of(message::read(header(0xffff, 0))) == errc::malformed_frame);
    CHECK(error_of(message::read(header(0, 0xffff))) == errc::malformed_frame);
    CHECK(message::read(header(0, 0) + std::string(most_message - header_size, 'x')).has_value());
    CHECK(error_of(message::read(header(0, 0) + std::string(most_message, 'x'))) == errc::frame_too_large);
}

TEST_CASE("an operation or a failure that multicast DNS has not is seen") {
    CHECK(must(message::read(header(0, 0, 0x8400))).is_plain());
    CHECK_FALSE(must(message::read(header(0, 0, 0x2800))).is_plain()); // an update
    CHECK_FALSE(must(message::read(header(0, 0, 0x8403))).is_plain()); // no such name
}

TEST_CASE("a time to live with its top bit set is none") {
    std::string m = header(0, 1) + hub_local + head(1, 4) + "\x0a\0\0\7"s;
    m[12 + 11 + 4] = '\x80';
    CHECK(records_of(must(message::read(m)))[0].ttl == 0);
}

// writing
// ---------------------------------------------------------------------------------------------------

TEST_CASE("what the writer writes is what was given, and names are written once") {
    std::array<char, 512> room;
    message_writer w(room, 7, flag_response | flag_authoritative);
    const name host = named("hub.local"), type = named("_portunus._tcp.local"),
               instance = named("Study._portunus._tcp.local");
    REQUIRE(w.add_question(type, type_ptr, true));
    REQUIRE(w.add_record(section::answer, pointer_record(type, instance, 4500)));
    REQUIRE(w.add_record(section::additional, service_record(instance, 7001, host, 120)));
    REQUIRE(w.add_record(section::additional, text_record(instance, "\x03"s + "a=b", 4500)));
    const auto v4 = asio::ip::make_address("10.0.0.7"), v6 = asio::ip::make_address("fd00::7");
    REQUIRE(w.add_record(section::additional, address_record(host, v4, 120)));
    REQUIRE(w.add_record(section::additional, address_record(host, v6, 120)));
    CHECK_FALSE(w.add_record(section::answer, address_record(host, v4, 120))); // that section is over
    const auto bytes = w.bytes();
    const message m = must(message::read(bytes));
    CHECK(m.id() == 7);
    const auto all = records_of(m);
    REQUIRE(all.size() == 5);
    CHECK_FALSE(all[0].flush);
    CHECK(all[0].target() == instance);
    CHECK(all[1].flush);
    CHECK(all[1].where == section::additional);
    CHECK(all[1].target() == host);
    CHECK(all[1].port() == 7001);
    CHECK(all[2].bytes == "\x03"s + "a=b");
    CHECK(all[3].address() == v4);
    CHECK(all[4].address() == v6);
    // "_portunus" stands there once, and so does "hub"
    CHECK(bytes.find("_portunus") == bytes.rfind("_portunus"));
    CHECK(bytes.find("hub") == bytes.rfind("hub"));
    CHECK(bytes.size() == 12 + 26 + (12 + 8) + (12 + 12) + (12 + 4) + (12 + 4) + (12 + 16));
}

TEST_CASE("a record that does not fit is left out as a whole, and the message stays good") {
    const record r = service_record(named("Study._portunus._tcp.local"), 7001, named("hub.local"), 120);
    std::size_t needed = 0;
    for (std::size_t size = header_size; size < 120; ++size) {
        std::vector<char> room(size);
        message_writer w(room, 0, flag_response);
        const bool fits = w.add_record(section::answer, r);
        const auto read = message::read(w.bytes());
        REQUIRE(read.has_value());
        CHECK(records_of(*read).size() == (fits ? 1 : 0));
        if (fits && needed == 0) needed = size;
        if (!fits) {
            CHECK(needed == 0);
            CHECK(w.bytes().size() == header_size);
        }
    }
    CHECK(needed == 12 + 32 - 4 + 10 + 6 + 6); // hub and a pointer to the other one's local
}

TEST_CASE("the name of a service is written in full where the asker may not understand a pointer there") {
    std::array<char, 256> room;
    message_writer w(room, 1, flag_response);
    const name host = named("hub.local");
    const record r = service_record(named("x.local"), 7001, host, 120);
    REQUIRE(w.add_record(section::answer, r, 10, false, false));
    const auto all = records_of(must(message::read(w.bytes())));
    REQUIRE(all.size() == 1);
    CHECK(all[0].bytes == "\0\0\0\0\x1b\x59"s + hub_local);
    CHECK(all[0].ttl == 10);
    CHECK_FALSE(all[0].flush);
}

TEST_CASE("a name keeps its capitals: only what is written the same is shared") {
    std::array<char, 256> room;
    message_writer w(room, 1, 0);
    REQUIRE(w.add_question(named("hub.local"), type_a, false));
    REQUIRE(w.add_question(named("Hub.Local"), type_a, false));
    std::vector<std::string> names;
    must(message::read(w.bytes())).each_question([&](const question_view& q) {
        names.push_back(q.owner.text());
    });
    CHECK(names == std::vector<std::string>{"hub.local", "Hub.Local"});
}

TEST_CASE("a denial names the types that there are") {
    const std::array<std::uint16_t, 2> types{type_a, type_aaaa};
    const record r = denial_record(named("hub.local"), types, 120);
    CHECK(r.data == hub_local + "\0\x04\x40\0\0\x08"s); // RFC 4034 4.1.2
}

TEST_CASE("data is the same whatever the case of the names in it") {
    const name a = named("hub.local"), b = named("HUB.local"), c = named("bub.local");
    CHECK(same_data(type_ptr, pointer_record(a, a, 1).data, pointer_record(a, b, 1).data));
    CHECK_FALSE(same_data(type_ptr, pointer_record(a, a, 1).data, pointer_record(a, c, 1).data));
    CHECK(same_data(type_srv, service_record(a, 7001, a, 1).data, service_record(a, 7001, b, 1).data));
    CHECK_FALSE(same_data(type_srv, service_record(a, 7001, a, 1).data, service_record(a, 7002, a, 1).data));
    CHECK_FALSE(same_data(type_txt,
                          "\x01"
                          "a",
                          "\x01"
                          "A"));
}

TEST_CASE("random messages go through the writer and come back the same") {
    std::mt19937 random(20240229);
    const auto below = [&](std::size_t n) { return random() % n; };
    const std::array<const char*, 5> words{"local", "hub", "_tcp", "Study", "x"};
    for (int round = 0; round < 500; ++round) {
        std::vector<record> given;
        std::vector<char> room(100 + below(1400));
        message_writer w(room, 0, flag_response);
        const auto any_name = [&] {
            name n;
            for (auto labels = below(5); labels != 0; --labels) (void)n.append(words[below(words.size())]);
            return n;
        };
        for (int i = 0; i < 30; ++i) {
            record r;
            switch (below(3)) {
            case 0:
                r = pointer_record(any_name(), any_name(), static_cast<std::uint32_t>(below(5000)));
                break;
            case 1:
                r = service_record(any_name(), static_cast<std::uint16_t>(below(65536)), any_name(), 120);
                break;
            default:
                r = text_record(any_name(), "\x02hi", 1);
            }
            if (w.add_record(section::answer, r)) given.push_back(std::move(r));
        }
        const auto all = records_of(must(message::read(w.bytes())));
        REQUIRE(all.size() == given.size());
        for (std::size_t i = 0; i < all.size(); ++i) {
            REQUIRE(all[i].owner.to_name().wire() == given[i].owner.wire());
            REQUIRE(all[i].data() == given[i].data);
            REQUIRE(all[i].ttl == given[i].ttl);
            REQUIRE(all[i].flush == given[i].unique);
        }
    }
}
