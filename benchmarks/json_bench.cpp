// SPDX-License-Identifier: BSL-1.0
// A message of a channel from JSON into a struct and back, beside simdjson (where it is there) and
// Boost.JSON's SAX parser. No sockets: the same text is parsed from memory again and again, and the result is
// compared.
//
//     json_bench [rounds]
//
// Short rounds in turns, measured as processor time. Printed are the median in nanoseconds a message, half of
// what lies between the tenth and the ninetieth percentile, and the speed as a ratio to simdjson's, or to
// ours without it.
#include "json_bench.hpp"

#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/points.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>

#include <boost/describe/class.hpp>

#ifdef PORTUNUS_BENCH_SIMDJSON
#include <simdjson.h>
#endif

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace json_bench {
BOOST_DESCRIBE_STRUCT(reading, (), (room, celsius, ok))
BOOST_DESCRIBE_STRUCT(envelope, (), (status, service_id, data_id, data))
} // namespace json_bench

namespace {

using namespace json_bench;

constexpr portunus::read_of<reading> point(portunus::data_id(7));

#ifdef PORTUNUS_BENCH_SIMDJSON
/// As its documentation has it: fields in the order of the text, looked up again where they are not.
bool with_simdjson(simdjson::ondemand::parser& parser, const char* text, std::size_t size,
                   std::size_t capacity, envelope& into) {
    simdjson::ondemand::document document;
    if (parser.iterate(text, size, capacity).get(document)) return false;
    std::uint64_t status = 0, service = 0, data = 0;
    simdjson::ondemand::object inner;
    std::string_view room;
    if (document["status"].get(status) || document["service_id"].get(service) ||
        document["data_id"].get(data) || document["data"].get(inner))
        return false;
    if (inner["room"].get(room) || inner["celsius"].get(into.data.celsius) || inner["ok"].get(into.data.ok))
        return false;
    if (status > 0xffffffff || service > 0xffffffff || data > 0xffffffff) return false;
    into.status = static_cast<std::uint32_t>(status);
    into.service_id = static_cast<std::uint32_t>(service);
    into.data_id = static_cast<std::uint32_t>(data);
    into.data.room.assign(room);
    return true;
}
#endif

struct contender {
    const char* name;
    std::function<bool(std::size_t)> run; // so many messages
    std::vector<double> nanoseconds{};
};

double processor_time() {
    timespec now{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) * 1e9 + static_cast<double>(now.tv_nsec);
}

} // namespace

int main(int argc, char** argv) {
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 41;
    constexpr std::size_t messages = 20000;
    constexpr std::size_t padding = 128;
    const std::string text =
        R"({"status":0,"service_id":10,"data_id":7,"data":{"room":"kitchen","celsius":21.5,"ok":true}})";
    const envelope expected{0, 10, 7, {"kitchen", 21.5, true}};
    std::string padded = text + std::string(padding, ' ');
    // Nobody may know that it is the same text each time.
    const char* volatile source = padded.data();

    std::vector<contender> contenders;
    const auto add = [&](const char* name, auto parse) {
        contenders.push_back({name, [&, parse](std::size_t count) mutable {
                                  envelope into;
                                  bool good = true;
                                  for (std::size_t i = 0; i < count; ++i) {
                                      into.status = 1;
                                      good = parse(source, text.size(), into) && into.status == 0 &&
                                             into.data.celsius == 21.5 && good;
                                  }
                                  return good && into == expected;
                              }});
    };
#ifdef PORTUNUS_BENCH_SIMDJSON
    simdjson::ondemand::parser parser;
    add("simdjson ondemand", [&](const char* p, std::size_t n, envelope& into) {
        return with_simdjson(parser, p, n, n + padding, into);
    });
#endif
    add("json::read_into", [](const char* p, std::size_t n, envelope& into) {
        return portunus::json::read_into(std::string_view(p, n), into).has_value();
    });
    add("Boost.JSON SAX, by hand",
        [](const char* p, std::size_t n, envelope& into) { return boost_sax(std::string_view(p, n), into); });
    add("(json::validate alone)", [&](const char* p, std::size_t n, envelope& into) {
        into = expected;
        return portunus::json::validate(std::string_view(p, n)).has_value();
    });
    add("json_lines and read_into", [](const char* p, std::size_t n, envelope& into) {
        const auto m = portunus::json_lines().decode(std::string_view(p, n));
        if (!m) return false;
        into.status = static_cast<std::uint32_t>(m->status);
        into.service_id = static_cast<std::uint32_t>(m->service);
        into.data_id = static_cast<std::uint32_t>(m->id);
        return portunus::decode_reply(point, *m, into.data).has_value();
    });
    add("(json_lines decode alone)", [](const char* p, std::size_t n, envelope& into) {
        into = {0, 10, 7, {into.data.room, 21.5, true}};
        into.data.room.assign("kitchen");
        return portunus::json_lines().decode(std::string_view(p, n)).has_value();
    });
    std::string sealed;
    portunus::pure_json().encode(sealed, portunus::json_lines().decode(text).value());
    add("pure_json and read_into", [&sealed](const char*, std::size_t, envelope& into) {
        const auto m = portunus::pure_json().decode(sealed);
        if (!m) return false;
        into.status = static_cast<std::uint32_t>(m->status);
        into.service_id = static_cast<std::uint32_t>(m->service);
        into.data_id = static_cast<std::uint32_t>(m->id);
        return portunus::decode_reply(point, *m, into.data).has_value();
    });
    std::string out;
    add("(encode_reply, json_lines)", [&](const char*, std::size_t, envelope& into) {
        into = expected;
        out.clear();
        return portunus::encode_reply(portunus::json_lines(), out, portunus::service_id(10), point, into.data)
                   .has_value() &&
               out.size() == text.size();
    });
    add("(json::write alone)", [&](const char*, std::size_t, envelope& into) {
        into = expected;
        out.clear();
        return portunus::json::write(out, into).has_value() && out == text;
    });

    for (int round = 0; round < rounds; ++round)
        for (contender& each : contenders) {
            const double from = processor_time();
            if (!each.run(messages)) {
                std::fprintf(stderr, "%s: wrong result\n", each.name);
                return 1;
            }
            each.nanoseconds.push_back((processor_time() - from) / messages);
        }

    double yardstick = 0;
    for (contender& each : contenders) {
        std::sort(each.nanoseconds.begin(), each.nanoseconds.end());
        const std::size_t n = each.nanoseconds.size();
        const double median = each.nanoseconds[n / 2];
        if (yardstick == 0) yardstick = median;
        std::printf("%-28s %7.1f ns +- %.1f   %.2f\n", each.name, median,
                    (each.nanoseconds[n * 9 / 10] - each.nanoseconds[n / 10]) / 2, yardstick / median);
    }
}
