// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_TESTING_IMPL_SCRIPTED_PEER_HPP
#define PORTUNUS_TESTING_IMPL_SCRIPTED_PEER_HPP

#include <portunus/testing/scripted_peer.hpp>

#include <portunus/core/detail/config.hpp>
#include <portunus/testing/detail/run_service.hpp>
#include <portunus/testing/run.hpp>
#include <portunus/testing/test_failure.hpp>

#include <boost/asio/buffer.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

// Once a coroutine is inlined where it is awaited, g++ 12 sees that the frame's operator new ends in
// aligned_alloc, but not that its operator delete ends in free, and warns.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmismatched-new-delete"
#endif

namespace portunus::testing {
namespace detail {

struct script_step {
    enum class kind : std::uint8_t {
        expect,
        expect_end,
        expect_reset,
        send,
        wait,
        wait_until,
        half_close,
        close,
        reset
    };

    explicit script_step(kind k) : what(k) {}

    kind what;
    std::string bytes;               // of `expect` and `send`; the name of a condition
    std::size_t chunk = 0;           // of `send`
    steady_clock::duration time{};   // of `wait` and `close`
    std::function<bool()> condition; // of `wait_until`

    std::string describe() const {
        const auto ms = [this] {
            return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) +
                   " ms";
        };
        const auto text = [this] {
            return printable(bytes) + " (" + std::to_string(bytes.size()) + " bytes)";
        };
        switch (what) {
        case kind::expect:
            return "expect " + text();
        case kind::expect_end:
            return "expect the end";
        case kind::expect_reset:
            return "expect a reset";
        case kind::send:
            return "send " + text();
        case kind::wait:
            return "wait " + ms();
        case kind::wait_until:
            return "wait until " + bytes;
        case kind::half_close:
            return "half close";
        case kind::close:
            return "close within " + ms();
        case kind::reset:
            return "reset";
        }
        return "unknown";
    }
};

using script = std::vector<std::shared_ptr<const script_step>>;

/// Reads what `step` expects. Empty, or what came instead.
template <class Stream>
awaitable<std::string> play_expect(Stream* stream, std::shared_ptr<const script_step> step) {
    std::size_t done = 0;
    std::array<char, 1024> buffer;
    const std::string& wanted = step->bytes;
    while (done < wanted.size()) {
        const std::size_t most = std::min(buffer.size(), wanted.size() - done);
        const auto got = co_await stream->read_some(boost::asio::mutable_buffer(buffer.data(), most));
        const std::string first =
            done == 0 ? std::string() : "the first " + std::to_string(done) + " came, then ";
        if (!got) co_return first + got.error().message();
        const std::string_view came(buffer.data(), *got);
        const std::string_view here = std::string_view(wanted).substr(done, *got);
        if (came != here) {
            const auto same = static_cast<std::size_t>(
                std::mismatch(came.begin(), came.end(), here.begin()).first - came.begin());
            done += same;
            co_return (done == 0 ? std::string() : "the first " + std::to_string(done) + " came, then ") +
                printable(came.substr(same)) + " instead of " +
                printable(std::string_view(wanted).substr(done));
        }
        done += *got;
    }
    co_return std::string();
}

/// Reads the end of the stream, or its reset.
template <class Stream>
awaitable<std::string> play_expect_finish(Stream* stream, bool reset) {
    std::array<char, 256> buffer;
    const auto got = co_await stream->read_some(boost::asio::mutable_buffer(buffer.data(), buffer.size()));
    if (got) co_return printable(std::string_view(buffer.data(), *got)) + " came";
    const bool is_end = got.error() == errc::end_of_stream;
    const bool is_reset = got.error() == boost::system::errc::connection_reset;
    if (reset ? is_reset : is_end) co_return std::string();
    co_return got.error().message();
}

template <class Stream>
awaitable<std::string> play_send(Stream* stream, std::shared_ptr<const script_step> step) {
    const std::string& all = step->bytes;
    const auto executor = co_await boost::asio::this_coro::executor;
    const std::size_t chunk = step->chunk == 0 ? all.size() : step->chunk;
    for (std::size_t done = 0, end = 0; done < all.size();) {
        if (done == end) {
            if (done != 0) { // the other side takes the chunk before the next one
                if (run_service::of(executor).driven())
                    co_await settle();
                else
                    co_await boost::asio::post(executor, portunus::detail::use_result);
            }
            end = std::min(all.size(), done + chunk);
        }
        const auto sent = stream->try_write_some(boost::asio::const_buffer(all.data() + done, end - done));
        if (sent) {
            done += *sent;
            continue;
        }
        error failed = sent.error();
        if (failed == errc::would_block) {
            const auto room = co_await stream->wait_writable();
            if (room) continue;
            failed = room.error();
        }
        co_return std::to_string(done) + " bytes were sent, then " + failed.message();
    }
    co_return std::string();
}

/// Waits in the context's time. Empty, or why it ended early.
PORTUNUS_DECL awaitable<std::string> play_wait(steady_clock::duration time);

PORTUNUS_DECL awaitable<std::string> play_wait_until(std::shared_ptr<const script_step> step);

inline std::string text_unless(const result<void>& r) {
    return r ? std::string() : r.error().message();
}

/// One step. Empty when it was done.
template <class Stream>
awaitable<std::string> play_step(Stream* stream, std::shared_ptr<const script_step> step) {
    using kind = script_step::kind;
    switch (step->what) {
    case kind::expect:
        co_return co_await play_expect(stream, std::move(step));
    case kind::expect_end:
        co_return co_await play_expect_finish(stream, false);
    case kind::expect_reset:
        co_return co_await play_expect_finish(stream, true);
    case kind::send:
        co_return co_await play_send(stream, std::move(step));
    case kind::wait:
        co_return co_await play_wait(step->time);
    case kind::wait_until:
        co_return co_await play_wait_until(std::move(step));
    case kind::half_close: {
        const auto done = co_await stream->shutdown_send();
        co_return text_unless(done);
    }
    case kind::close: {
        const auto done = co_await stream->close(step->time);
        co_return text_unless(done);
    }
    case kind::reset:
        stream->abort();
        break;
    }
    co_return std::string();
}

template <class Stream>
awaitable<std::string> play_script(Stream* stream, script steps) {
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::string wrong = co_await play_step(stream, steps[i]);
        if (!wrong.empty())
            co_return "step " + std::to_string(i + 1) + ", " + steps[i]->describe() + ": " + wrong;
    }
    co_return std::string();
}

} // namespace detail

template <byte_stream Stream>
awaitable<std::string> scripted_peer::play(Stream& stream) const {
    return detail::play_script(&stream, steps_);
}

} // namespace portunus::testing

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/testing/impl/scripted_peer.ipp>
#endif

#endif
