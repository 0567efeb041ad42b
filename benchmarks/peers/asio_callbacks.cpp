// Plain Asio with callbacks, done well: read what is there into a buffer of the connection, frame in that
// buffer by hand, answer a batch with one write. Each handler owns the session, so no reference is counted;
// buffers begin small, grow when a read fills them, and are reused.

#include "peer_support.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <arpa/inet.h>

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using boost::system::error_code;

constexpr std::size_t first_buffer = 512;
constexpr std::size_t max_buffer = 64 * 1024;
constexpr std::size_t malformed = static_cast<std::size_t>(-1);

// Handles the frames of [in, in + size), appends their answers to `out`; the bytes used, or `malformed`.
using handler = std::size_t (*)(const char* in, std::size_t size, std::string& out);

std::size_t handle_lines(const char* in, std::size_t size, std::string& out) {
    const char* frame = in;
    const char* scan = in;
    const char* const end = in + size;
    while (scan != end) {
        const auto* lf =
            static_cast<const char*>(std::memchr(scan, '\n', static_cast<std::size_t>(end - scan)));
        if (!lf) break;
        scan = lf + 1;
        if (lf == frame || lf[-1] != '\r') continue; // a lone line feed belongs to the line
        out.append(frame, static_cast<std::size_t>(lf - 1 - frame));
        out.append("\r\n", 2);
        frame = scan;
    }
    return static_cast<std::size_t>(frame - in);
}

std::size_t handle_length4(const char* in, std::size_t size, std::string& out) {
    std::size_t used = 0;
    while (size - used >= 4) {
        std::uint32_t prefix = 0;
        std::memcpy(&prefix, in + used, 4);
        const std::size_t length = ntohl(prefix);
        if (length > max_buffer - 4) return malformed;
        if (size - used - 4 < length) break;
        prefix = htonl(static_cast<std::uint32_t>(length));
        out.append(reinterpret_cast<const char*>(&prefix), 4);
        out.append(in + used + 4, length);
        used += 4 + length;
    }
    return used;
}

class session {
  public:
    session(tcp::socket socket, handler handle)
        : socket_(std::move(socket)), handle_(handle), in_(first_buffer) {}

    static void read(std::unique_ptr<session> self) {
        auto& s = *self;
        s.socket_.async_read_some(asio::buffer(s.in_.data() + s.size_, s.in_.size() - s.size_),
                                  [self = std::move(self)](error_code failed, std::size_t n) mutable {
                                      if (!failed) on_read(std::move(self), n);
                                  });
    }

  private:
    static void on_read(std::unique_ptr<session> self, std::size_t n) {
        auto& s = *self;
        s.size_ += n;
        const bool full = s.size_ == s.in_.size();
        if (!s.handle_) {
            asio::async_write(s.socket_, asio::buffer(s.in_.data(), s.size_),
                              [self = std::move(self), full](error_code failed, std::size_t) mutable {
                                  if (failed) return;
                                  self->size_ = 0;
                                  if (full) self->grow();
                                  read(std::move(self));
                              });
            return;
        }
        const std::size_t used = s.handle_(s.in_.data(), s.size_, s.out_);
        if (used == malformed) return;
        s.size_ -= used;
        if (s.size_ != 0 && used != 0) std::memmove(s.in_.data(), s.in_.data() + used, s.size_);
        if (full) s.grow();
        if (s.size_ == s.in_.size()) return; // no frame is that long
        if (s.out_.empty()) {
            read(std::move(self));
            return;
        }
        asio::async_write(s.socket_, asio::buffer(s.out_),
                          [self = std::move(self)](error_code failed, std::size_t) mutable {
                              if (failed) return;
                              self->out_.clear();
                              read(std::move(self));
                          });
    }

    void grow() {
        if (in_.size() < max_buffer) in_.resize(in_.size() * 2);
    }

    tcp::socket socket_;
    handler handle_; // null: echo
    std::vector<char> in_;
    std::size_t size_ = 0; // bytes in `in_`
    std::string out_;
};

void accept(tcp::acceptor& acceptor, handler handle) {
    acceptor.async_accept([&acceptor, handle](error_code failed, tcp::socket socket) {
        if (failed == asio::error::operation_aborted) return;
        if (!failed) {
            error_code ignored;
            socket.set_option(tcp::no_delay(true), ignored);
            session::read(std::make_unique<session>(std::move(socket), handle));
        }
        accept(acceptor, handle);
    });
}

} // namespace

int main(int argc, char** argv) {
    const auto mode = peer::parse_mode(argc, argv, {"echo", "lines", "length4"});
    asio::io_context context(1);
    asio::signal_set signals(context, SIGTERM, SIGINT);
    signals.async_wait([&](error_code, int) { context.stop(); });
    auto acceptor = peer::listen_on_loopback(context);
    accept(acceptor, mode == "lines" ? &handle_lines : mode == "length4" ? &handle_length4 : nullptr);
    context.run();
}
