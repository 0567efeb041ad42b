// Boost.JSON as its tutorial has it: text to a tree, a tree to text. The library itself is compiled in here.
#include "messages.hpp"

#include <boost/json/src.hpp>

namespace messages {
namespace {

namespace json = boost::json;

json::object answer_to(const json::value& data) {
    const json::object& asked = data.as_object();
    json::object told;
    told["room"] = asked.at("room");
    told["sequence"] = asked.at("sequence");
    told["tenths"] = tenths_of(asked.at("celsius").to_number<double>());
    return told;
}

} // namespace

bool answer_by_tree(std::string_view line, std::string& out) try {
    const json::value parsed = json::parse(json::string_view(line.data(), line.size()));
    const json::object& asked = parsed.as_object();
    if (asked.at("service_id").to_number<std::uint32_t>() != asked_service ||
        asked.at("data_id").to_number<std::uint32_t>() != asked_data)
        return false;
    json::object told;
    told["data_id"] = asked_data;
    told["service_id"] = answer_service;
    told["status"] = 0;
    told["data"] = answer_to(asked.at("data"));
    out += json::serialize(told);
    return true;
} catch (const std::exception&) {
    return false;
}

bool answer_data_by_tree(std::string_view data, std::string& out) try {
    out += json::serialize(answer_to(json::parse(json::string_view(data.data(), data.size()))));
    return true;
} catch (const std::exception&) {
    return false;
}

} // namespace messages
