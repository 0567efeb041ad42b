// The question and its answer as a typed point of Portunus, and what a batch loop does with it.
#pragma once

#include "messages.hpp"

#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/points.hpp>

#include <boost/describe/class.hpp>

namespace messages {

BOOST_DESCRIBE_STRUCT(question, (), (room, sequence, celsius, ok))
BOOST_DESCRIBE_STRUCT(answer, (), (room, sequence, tenths))

inline constexpr portunus::execute_of<question, answer> point(portunus::data_id{asked_data},
                                                              portunus::service_id{asked_service});

// Keeps the memory of the question and of the answer from one message to the next.
class typed_answers {
  public:
    bool take(std::string_view line, std::string& out) {
        const portunus::json_lines codec;
        const auto m = codec.decode(line);
        if (!m || m->service != point.service || m->id != point.id) return false;
        if (!decode_request(point, *m, asked_)) return false;
        told_.room = asked_.room;
        told_.sequence = asked_.sequence;
        told_.tenths = tenths_of(asked_.celsius);
        return encode_reply(codec, out, portunus::service_id{answer_service}, point, told_).has_value();
    }

  private:
    question asked_;
    answer told_;
};

} // namespace messages
