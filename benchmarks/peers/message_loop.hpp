// What bare_epoll.c calls for the lines of its buffer, around a class that answers one.
#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#include <sys/types.h>

extern "C" ssize_t handle_messages(const char* in, std::size_t size, char* out, std::size_t* answered);

namespace messages {

constexpr std::size_t longest_line = 64 * 1024;

template <class Answers>
ssize_t handle_lines(Answers& answers, std::string& text, const char* in, std::size_t size, char* out,
                     std::size_t* answered) {
    const char *line = in, *const end = in + size;
    text.clear();
    while (const void* lf = std::memchr(line, '\n', static_cast<std::size_t>(end - line))) {
        const char* const stop = static_cast<const char*>(lf);
        if (!answers.take(std::string_view(line, static_cast<std::size_t>(stop - line)), text)) return -1;
        text += '\n';
        line = stop + 1;
    }
    std::memcpy(out, text.data(), text.size());
    *answered = text.size();
    return static_cast<std::size_t>(end - line) < longest_line ? line - in : -1;
}

} // namespace messages
