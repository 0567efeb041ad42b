// The bare loop with Portunus's JSON: what the coroutines and the framing around it cost.
#include "message_loop.hpp"

#include "message_points.hpp"

ssize_t handle_messages(const char* in, std::size_t size, char* out, std::size_t* answered) {
    static messages::typed_answers answers;
    static std::string text;
    return messages::handle_lines(answers, text, in, size, out, answered);
}
