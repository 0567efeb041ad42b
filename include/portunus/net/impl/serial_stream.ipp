// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_IMPL_SERIAL_STREAM_IPP
#define PORTUNUS_NET_IMPL_SERIAL_STREAM_IPP

#include <portunus/net/serial_stream.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/detail/config.hpp>
#include <portunus/core/result.hpp>
#include <portunus/net/detail/descriptor_stream.hpp>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <linux/serial.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <termios.h>
#include <unistd.h>

namespace portunus {
namespace detail {

struct baud_rate {
    unsigned rate;
    speed_t code;
};
inline constexpr std::array<baud_rate, 30> baud_rates{{
    {50, B50},           {75, B75},           {110, B110},         {134, B134},         {150, B150},
    {200, B200},         {300, B300},         {600, B600},         {1200, B1200},       {1800, B1800},
    {2400, B2400},       {4800, B4800},       {9600, B9600},       {19200, B19200},     {38400, B38400},
    {57600, B57600},     {115200, B115200},   {230400, B230400},   {460800, B460800},   {500000, B500000},
    {576000, B576000},   {921600, B921600},   {1000000, B1000000}, {1152000, B1152000}, {1500000, B1500000},
    {2000000, B2000000}, {2500000, B2500000}, {3000000, B3000000}, {3500000, B3500000}, {4000000, B4000000},
}};

PORTUNUS_DECL error serial_error(int number, std::string detail) {
    return error(boost::system::error_code(number, boost::system::system_category()), std::move(detail));
}

class serial_state final : public descriptor_state {
  public:
    serial_state(descriptor_type d, const serial_options& options, std::string path_, const termios& before_,
                 bool pseudo_)
        : descriptor_state(std::move(d), options.idle_limit, options.write_limit), path(std::move(path_)),
          before(before_), pseudo(pseudo_), exclusive(options.exclusive) {}

    static result<serial_stream> open(const boost::asio::any_io_executor& executor, std::string path,
                                      const serial_options& options);
    static result<void> apply(int fd, const serial_options& options, const std::string& path, bool pseudo);
    static const serial_state& of(const descriptor_state::pointer& s) noexcept {
        return static_cast<const serial_state&>(*s);
    }

    ssize_t receive_now(void* to, std::size_t size) noexcept override {
        return ::read(descriptor->native_handle(), to, size);
    }
    ssize_t send_now(const void* from, std::size_t size) noexcept override {
        return ::write(descriptor->native_handle(), from, size);
    }
    /// The other end of a pseudo-terminal was closed; the adapter is gone.
    bool is_end(int number) const noexcept override {
        return number == EIO || number == ENXIO || number == ENODEV;
    }
    std::size_t unsent() noexcept override {
        int queued = 0;
        if (!is_open() || ::ioctl(descriptor->native_handle(), TIOCOUTQ, &queued) != 0) return 0;
        if (queued > 0) return static_cast<std::size_t>(queued);
        unsigned line = 0; // the last bytes are in the hardware; where the driver can tell
        const bool known = ::ioctl(descriptor->native_handle(), TIOCSERGETLSR, &line) == 0;
        return known && (line & TIOCSER_TEMT) == 0 ? 1 : 0;
    }
    void end_sending() noexcept override {}
    bool close_waits_for_end() const noexcept override { return false; }
    void before_close(bool discard) noexcept override {
        const int fd = descriptor->native_handle();
        if (discard) ::tcflush(fd, TCOFLUSH); // or closing would wait for it to leave
        ::tcsetattr(fd, TCSANOW, &before);
        if (!exclusive) return;
        ::ioctl(fd, TIOCNXCL);
        ::flock(fd, LOCK_UN);
    }

    error unsupported(std::string_view what) const {
        return serial_error(EOPNOTSUPP, path + (pseudo ? " is a pseudo-terminal and has no " : " has no ") +
                                            std::string(what));
    }
    /// The answer to a request for a line or a break.
    result<void> done(int status, std::string_view what) const {
        if (status == 0) return {};
        const int number = errno;
        if (number == ENOTTY || number == EINVAL) return unsupported(what);
        return serial_error(number, path);
    }
    result<void> set_line(int line, bool on) {
        if (auto e = blocked()) return *std::move(e);
        return done(::ioctl(descriptor->native_handle(), on ? TIOCMBIS : TIOCMBIC, &line), "modem lines");
    }
    result<void> set_break(bool on) {
        if (auto e = blocked()) return *std::move(e);
        if (pseudo) return unsupported("break"); // the system would say that it was done
        return done(::ioctl(descriptor->native_handle(), on ? TIOCSBRK : TIOCCBRK), "break");
    }
    static awaitable<result<void>> send_break(pointer s, steady_clock::duration length);

    std::string path;
    termios before; // restored at the end
    bool pseudo;
    bool exclusive;
};

PORTUNUS_DECL result<void> serial_state::apply(int fd, const serial_options& o, const std::string& path,
                                               bool pseudo) {
    std::optional<speed_t> code;
    std::string rates;
    for (const baud_rate& b : baud_rates) {
        if (b.rate == o.baud) code = b.code;
        rates += (rates.empty() ? "" : ", ") + std::to_string(b.rate);
    }
    if (!code)
        return error(errc::invalid_option,
                     path + ": baud " + std::to_string(o.baud) + " is not one of " + rates);
    if (o.data_bits < 5 || o.data_bits > 8)
        return error(errc::invalid_option,
                     path + ": data_bits " + std::to_string(o.data_bits) + " is not one of 5, 6, 7, 8");
    if (o.stop_bits < 1 || o.stop_bits > 2)
        return error(errc::invalid_option,
                     path + ": stop_bits " + std::to_string(o.stop_bits) + " is not one of 1, 2");
    termios was = {}, want = {}, got = {};
    if (::tcgetattr(fd, &was) != 0) return serial_error(errno, path);
    want = was;
    ::cfmakeraw(&want);
    want.c_iflag &= ~static_cast<tcflag_t>(INPCK | IXON | IXOFF | IXANY | IGNPAR);
    constexpr tcflag_t shape = CSIZE | CSTOPB | PARENB | PARODD | CMSPAR | CRTSCTS;
    want.c_cflag &= ~shape;
    constexpr tcflag_t sizes[] = {CS5, CS6, CS7, CS8};
    want.c_cflag |= CREAD | CLOCAL | sizes[o.data_bits - 5];
    if (o.stop_bits == 2) want.c_cflag |= CSTOPB;
    if (o.parity != serial_parity::none) {
        want.c_iflag |= INPCK;
        want.c_cflag |= PARENB;
    }
    if (o.parity == serial_parity::odd || o.parity == serial_parity::mark) want.c_cflag |= PARODD;
    if (o.parity == serial_parity::mark || o.parity == serial_parity::space) want.c_cflag |= CMSPAR;
    if (o.flow_control == serial_flow_control::hardware) want.c_cflag |= CRTSCTS;
    if (o.flow_control == serial_flow_control::software) want.c_iflag |= IXON | IXOFF;
    want.c_cc[VMIN] = 1; // with 0, "nothing is there" would look like the end
    want.c_cc[VTIME] = 0;
    ::cfsetispeed(&want, *code);
    ::cfsetospeed(&want, *code);
    if (::tcsetattr(fd, TCSANOW, &want) != 0) return serial_error(errno, path);
    // It succeeds when any of it was taken, so what was taken is looked at. On a pseudo-terminal there is no
    // wire that bits could have a shape on.
    if (::tcgetattr(fd, &got) != 0) return serial_error(errno, path);
    const bool rate_taken = ::cfgetospeed(&got) == *code;
    if (rate_taken && (pseudo || (got.c_cflag & shape) == (want.c_cflag & shape))) return {};
    ::tcsetattr(fd, TCSANOW, &was);
    return error(errc::invalid_option,
                 path + (rate_taken ? ": the port did not take these bits, parity and flow control"
                                    : ": the port did not take " + std::to_string(o.baud) + " baud"));
}

PORTUNUS_DECL result<serial_stream> serial_state::open(const boost::asio::any_io_executor& executor,
                                                       std::string path, const serial_options& options) {
    if (path.find('\0') != std::string::npos) return serial_error(ENOENT, "the path contains a zero byte");
    struct owner { // until the stream has it
        int fd;
        ~owner() {
            if (fd >= 0) ::close(fd);
        }
    };
    // Not blocking: a port may wait for a carrier.
    owner mine{::open(path.c_str(), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)};
    if (mine.fd < 0) {
        const int number = errno;
        return serial_error(number, number == EBUSY ? path + " is in use by another program" : path);
    }
    termios before = {};
    struct stat about = {};
    if (::tcgetattr(mine.fd, &before) != 0 || ::fstat(mine.fd, &about) != 0)
        return serial_error(ENOTTY, path + " is not a serial port");
    const bool pseudo = major(about.st_rdev) >= 136 && major(about.st_rdev) <= 143; // UNIX98_PTY_SLAVE_MAJOR
    if (options.exclusive) {
        if (::flock(mine.fd, LOCK_EX | LOCK_NB) != 0) {
            if (errno == EWOULDBLOCK) return serial_error(EBUSY, path + " is in use by another program");
            return serial_error(errno, path);
        }
        ::ioctl(mine.fd, TIOCEXCL);
    }
    auto taken = apply(mine.fd, options, path, pseudo);
    boost::system::error_code ec;
    boost::asio::posix::stream_descriptor descriptor(executor);
    if (taken) {
        descriptor.assign(mine.fd, ec);
        if (ec) ::tcsetattr(mine.fd, TCSANOW, &before);
    }
    if (!taken || ec) {
        if (options.exclusive) ::ioctl(mine.fd, TIOCNXCL);
        if (!taken) return std::move(taken).error();
        return error(ec, path + " could not be watched");
    }
    mine.fd = -1;
    return serial_stream(descriptor_state::pointer(
        new serial_state(std::move(descriptor), options, std::move(path), before, pseudo)));
}

PORTUNUS_DECL awaitable<result<void>> serial_state::send_break(pointer s, steady_clock::duration length) {
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    const auto asked = co_await boost::asio::this_coro::cancellation_state;
    auto& port = static_cast<serial_state&>(*s);
    if (stop_asked(asked)) co_return errc::canceled;
    auto on = port.set_break(true);
    if (!on) co_return on;
    struct watch {
        serial_state* port;
        bool over;
    } mine{&port, false};
    deadline end(deadline_service::of(s->descriptor->get_executor()), &mine, [](void* owner) {
        static_cast<watch*>(owner)->over = true;
        static_cast<watch*>(owner)->port->changed.notify();
    });
    end.arm(length);
    while (!mine.over && !stop_asked(asked) && s->is_open()) co_await s->changed.wait_op();
    auto off = port.set_break(false);
    if (off && !mine.over) co_return errc::canceled;
    co_return off;
}

} // namespace detail

PORTUNUS_DECL result<serial_stream> serial_stream::open(const boost::asio::any_io_executor& executor,
                                                        std::string_view path,
                                                        const serial_options& options) {
    return detail::serial_state::open(executor, std::string(path), options);
}
PORTUNUS_DECL result<void> serial_stream::configure(const serial_options& options) {
    if (!is_open()) return errc::not_connected;
    const auto& port = detail::serial_state::of(state_);
    return detail::serial_state::apply(native_handle(), options, port.path, port.pseudo);
}
PORTUNUS_DECL std::string_view serial_stream::path() const noexcept {
    return state_ ? std::string_view(detail::serial_state::of(state_).path) : std::string_view();
}
PORTUNUS_DECL result<modem_lines> serial_stream::lines() const {
    if (!is_open()) return errc::not_connected;
    int bits = 0;
    auto done =
        detail::serial_state::of(state_).done(::ioctl(native_handle(), TIOCMGET, &bits), "modem lines");
    if (!done) return std::move(done).error();
    const auto on = [bits](int line) { return (bits & line) != 0; };
    modem_lines now;
    now.cts = on(TIOCM_CTS);
    now.dsr = on(TIOCM_DSR);
    now.ring = on(TIOCM_RI);
    now.carrier = on(TIOCM_CD);
    now.dtr = on(TIOCM_DTR);
    now.rts = on(TIOCM_RTS);
    return now;
}
PORTUNUS_DECL result<void> serial_stream::set_dtr(bool on) {
    if (!state_) return errc::not_connected;
    return static_cast<detail::serial_state&>(*state_).set_line(TIOCM_DTR, on);
}
PORTUNUS_DECL result<void> serial_stream::set_rts(bool on) {
    if (!state_) return errc::not_connected;
    return static_cast<detail::serial_state&>(*state_).set_line(TIOCM_RTS, on);
}
PORTUNUS_DECL result<void> serial_stream::set_break(bool on) {
    if (!state_) return errc::not_connected;
    return static_cast<detail::serial_state&>(*state_).set_break(on);
}
PORTUNUS_DECL awaitable<result<void>> serial_stream::send_break(steady_clock::duration length) {
    return state_ ? detail::serial_state::send_break(state_, length) : nothing<void>();
}
PORTUNUS_DECL result<void> serial_stream::discard_input() {
    if (!is_open()) return errc::not_connected;
    if (::tcflush(native_handle(), TCIFLUSH) == 0) return {};
    return detail::serial_error(errno, std::string(path()));
}

} // namespace portunus

#endif
