// The bare loop with simdjson, on demand, into the same struct; the answer is put together by hand. The
// yardstick.
#include "message_loop.hpp"

#include "messages.hpp"

#include <simdjson.h>

#include <charconv>

namespace {

class answers_on_demand {
  public:
    // There are SIMDJSON_PADDING bytes behind the line: of further lines, or of bare_epoll's buffer.
    bool take(std::string_view line, std::string& out) {
        simdjson::ondemand::document document;
        simdjson::ondemand::object data;
        std::uint64_t status = 0, service = 0, id = 0, sequence = 0;
        double celsius = 0;
        bool ok = false;
        std::string_view room;
        if (parser_.iterate(line.data(), line.size(), line.size() + simdjson::SIMDJSON_PADDING)
                .get(document) ||
            document["status"].get(status) || document["service_id"].get(service) ||
            document["data_id"].get(id) || document["data"].get(data) || data["room"].get(room))
            return false;
        asked_.room.assign(room); // before the parser goes on
        if (data["sequence"].get(sequence) || data["celsius"].get(celsius) || data["ok"].get(ok))
            return false;
        if (service != messages::asked_service || id != messages::asked_data || sequence > 0xffffffff)
            return false;
        asked_.sequence = static_cast<std::uint32_t>(sequence);
        asked_.celsius = celsius;
        asked_.ok = ok;
        out += R"({"data_id":7,"service_id":11,"status":0,"data":{"room":")";
        append_escaped(out, asked_.room);
        out += R"(","sequence":)";
        append_number(out, asked_.sequence);
        out += R"(,"tenths":)";
        append_number(out, messages::tenths_of(asked_.celsius));
        out += "}}";
        return true;
    }

  private:
    static void append_escaped(std::string& out, std::string_view text) {
        for (const char c : text) {
            const auto byte = static_cast<unsigned char>(c);
            if (byte >= 0x20 && c != '"' && c != '\\') {
                out += c;
            } else {
                constexpr char digits[] = "0123456789abcdef";
                out.append("\\u00").append(1, digits[byte >> 4]).append(1, digits[byte & 15]);
            }
        }
    }
    static void append_number(std::string& out, std::uint32_t number) {
        char text[10];
        out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
    }

    simdjson::ondemand::parser parser_;
    messages::question asked_;
};

} // namespace

ssize_t handle_messages(const char* in, std::size_t size, char* out, std::size_t* answered) {
    static answers_on_demand answers;
    static std::string text;
    return messages::handle_lines(answers, text, in, size, out, answered);
}
