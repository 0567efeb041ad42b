// The load generator: one thread, one epoll set, no library under test in it.
//
// It checks every byte of every answer. All workloads but `http` (http_answers.hpp) and `messages` are built
// so that the answer equals the request; what a connection sends is therefore one endless stream, a ring of
// prepared messages, and what comes back is compared with the same ring; with `messages` it is a ring of
// prepared answers. Each message carries the number of its connection and its sequence number, so an answer
// that is lost, doubled, swapped with its neighbour or sent to the wrong connection differs from the ring.
//
// Exit status: 0 all answers were right; 1 a wrong, missing or superfluous answer; 2 wrong usage; 3 the
// watchdog.

#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <csignal>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "../allocation_counter.hpp"
#include "http_answers.hpp"

namespace {

constexpr std::size_t echo_bytes = 64;
constexpr std::size_t line_bytes = 32;
constexpr std::size_t length_body_bytes = 1024;
constexpr std::size_t length_message_bytes = 4 + length_body_bytes;
// Numbers that are never narrower nor wider, so that all questions have one size and all answers another.
constexpr char question_text[] =
    "{\"status\":0,\"service_id\":10,\"data_id\":7,\"data\":{\"room\":\"room %05u\","
    "\"sequence\":%u,\"celsius\":%u.%u,\"ok\":true}}\n";
constexpr char answer_text[] =
    "{\"data_id\":7,\"service_id\":11,\"status\":0,\"data\":{\"room\":\"room %05u\","
    "\"sequence\":%u,\"tenths\":%u}}\n";
constexpr std::size_t question_bytes = 113;
constexpr std::size_t answer_bytes = 101;
constexpr std::uint64_t second_ns = 1'000'000'000;
constexpr std::uint64_t stall_ns = 5 * second_ns; // an answer that takes longer is missing

struct options {
    std::string workload;
    int port = 0;
    int connections = 0; // 0: the workload's own number
    int depth = 0;       // likewise
    double seconds = 2.0;
    double warmup = 0.3;
    int server_pid = 0;      // whose CPU time and system calls are sampled; 0: nobody's
    long tracepoint = -1;    // id of raw_syscalls:sys_enter; -1: system calls are not counted
    std::string allocations; // file of the allocation counter; empty: not counted
};

[[noreturn]] void fail(const char* format, ...) __attribute__((format(printf, 1, 2)));

void fail(const char* format, ...) {
    std::va_list arguments;
    va_start(arguments, format);
    std::fputs("load_generator: ", stderr);
    std::vfprintf(stderr, format, arguments);
    std::fputc('\n', stderr);
    va_end(arguments);
    std::exit(1);
}

std::uint64_t clock_ns(clockid_t id) {
    timespec t{};
    if (::clock_gettime(id, &t) != 0) return 0;
    return static_cast<std::uint64_t>(t.tv_sec) * second_ns + static_cast<std::uint64_t>(t.tv_nsec);
}

std::uint64_t now_ns() {
    return clock_ns(CLOCK_MONOTONIC);
}

// A run that hangs must end by itself: whoever started us may be gone.
void start_watchdog(double seconds) {
    struct sigaction action {};
    action.sa_handler = [](int) {
        constexpr std::string_view text = "load_generator: watchdog: the run took too long\n";
        [[maybe_unused]] auto written = ::write(2, text.data(), text.size());
        ::_exit(3);
    };
    ::sigaction(SIGALRM, &action, nullptr);
    itimerval timer{};
    timer.it_value.tv_sec = static_cast<time_t>(seconds) + 1;
    ::setitimer(ITIMER_REAL, &timer, nullptr);
}

void raise_descriptor_limit() {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

// ---------------------------------------------------------------------------------------------------------------
// What is sampled of the server, at the beginning and at the end of the measured interval and nowhere else,
// so that start-up, connecting and warming up are in no figure.

struct sample {
    std::uint64_t time_ns = 0;
    std::uint64_t own_cpu_ns = 0;
    std::uint64_t own_waited_ns = 0; // runnable, but another process had the core: tells a disturbed run
    std::uint64_t server_cpu_ns = 0;
    std::uint64_t server_waited_ns = 0;
    std::uint64_t system_calls = 0;
    std::uint64_t allocations = 0;
};

// Second number of schedstat: nanoseconds spent waiting on a run queue.
std::uint64_t waited_ns(int pid) {
    char path[64];
    std::snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    std::uint64_t running = 0, waited = 0;
    if (std::FILE* file = std::fopen(path, "re")) {
        if (std::fscanf(file, "%" SCNu64 " %" SCNu64, &running, &waited) != 2) waited = 0;
        std::fclose(file);
    }
    return waited;
}

class sampler {
  public:
    explicit sampler(const options& o) : pid_(o.server_pid) {
        if (pid_ != 0 && ::clock_getcpuclockid(pid_, &clock_) != 0) fail("process %d has no CPU clock", pid_);
        if (pid_ != 0 && o.tracepoint >= 0) count_system_calls(o.tracepoint);
        if (!o.allocations.empty()) map_allocations(o.allocations);
    }

    bool has_server() const { return pid_ != 0; }
    bool has_system_calls() const { return !counters_.empty(); }
    bool has_allocations() const { return allocations_ != nullptr; }

    sample take() const {
        sample s;
        s.time_ns = now_ns();
        s.own_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
        s.own_waited_ns = waited_ns(::getpid());
        if (pid_ != 0) {
            s.server_cpu_ns = clock_ns(clock_);
            s.server_waited_ns = waited_ns(pid_);
        }
        for (int counter : counters_) {
            std::uint64_t value = 0;
            if (::read(counter, &value, sizeof value) == sizeof value) s.system_calls += value;
        }
        if (allocations_) s.allocations = allocations_->allocations.load(std::memory_order_relaxed);
        return s;
    }

  private:
    // The kernel counts at its own tracepoint; ptrace would stop the server at each call and change its
    // batching.
    void count_system_calls(long tracepoint) {
        const std::string tasks = "/proc/" + std::to_string(pid_) + "/task";
        DIR* directory = ::opendir(tasks.c_str());
        if (!directory) fail("no tasks of process %d", pid_);
        while (dirent* entry = ::readdir(directory)) {
            if (entry->d_name[0] == '.') continue;
            perf_event_attr attributes{};
            attributes.type = PERF_TYPE_TRACEPOINT;
            attributes.size = sizeof attributes;
            attributes.config = static_cast<std::uint64_t>(tracepoint);
            attributes.sample_period = 0;
            const int counter = static_cast<int>(::syscall(
                SYS_perf_event_open, &attributes, std::atoi(entry->d_name), -1, -1, PERF_FLAG_FD_CLOEXEC));
            if (counter < 0) {
                std::fprintf(stderr, "load_generator: system calls not counted: perf_event_open: %s\n",
                             std::strerror(errno));
                counters_.clear();
                break;
            }
            counters_.push_back(counter);
        }
        ::closedir(directory);
    }

    void map_allocations(const std::string& path) {
        const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (file < 0) fail("%s: %s", path.c_str(), std::strerror(errno));
        void* memory = ::mmap(nullptr, sizeof(allocation_counters), PROT_READ, MAP_SHARED, file, 0);
        ::close(file);
        if (memory == MAP_FAILED) fail("%s: %s", path.c_str(), std::strerror(errno));
        allocations_ = static_cast<const allocation_counters*>(memory);
        if (allocations_->magic.load() != allocation_counters_magic)
            fail("%s: the server does not count its allocations", path.c_str());
    }

    int pid_ = 0;
    clockid_t clock_{};
    std::vector<int> counters_;
    const allocation_counters* allocations_ = nullptr;
};

// ---------------------------------------------------------------------------------------------------------------
// Latencies: logarithmic buckets, 64 to an octave, hence at most 1.6 % off.

class histogram {
  public:
    void add(std::uint64_t ns) {
        ++counts_[index(ns)];
        ++total_;
    }

    void clear() {
        counts_.fill(0);
        total_ = 0;
    }

    double quantile_us(double q) const {
        const auto wanted = static_cast<std::uint64_t>(q * static_cast<double>(total_));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < counts_.size(); ++i) {
            seen += counts_[i];
            if (seen > wanted) return static_cast<double>(lower_bound(i)) / 1000.0;
        }
        return 0.0;
    }

    bool empty() const { return total_ == 0; }

  private:
    static constexpr unsigned octave_bits = 6;
    static constexpr std::size_t per_octave = std::size_t{1} << octave_bits;

    static std::size_t index(std::uint64_t ns) {
        if (ns < per_octave) return ns;
        const unsigned octave = 63U - static_cast<unsigned>(__builtin_clzll(ns)) - octave_bits;
        const std::size_t i = per_octave * octave + (ns >> octave);
        return std::min(i, size - 1);
    }

    static std::uint64_t lower_bound(std::size_t i) {
        if (i < 2 * per_octave) return i;
        const std::size_t octave = i / per_octave - 1;
        return (i - per_octave * octave) << octave;
    }

    static constexpr std::size_t size = per_octave * 34;
    std::array<std::uint64_t, size> counts_{};
    std::uint64_t total_ = 0;
};

// ---------------------------------------------------------------------------------------------------------------
// Messages

enum class shape { raw, line, length4, http, question, answer };

std::size_t message_bytes(shape s) {
    switch (s) {
    case shape::raw:
        return echo_bytes;
    case shape::line:
        return line_bytes;
    case shape::length4:
        return length_message_bytes;
    case shape::http:
        return http_answers::request.size();
    case shape::question:
        return question_bytes;
    case shape::answer:
        return answer_bytes;
    }
    return 0;
}

void make_message(char* to, shape s, unsigned connection, unsigned sequence) {
    const std::size_t size = message_bytes(s);
    switch (s) {
    case shape::raw: {
        // Any byte may occur, line ends and zeros too.
        std::uint32_t state = connection * 2654435761U + sequence * 40503U + 1;
        for (std::size_t i = 0; i < size; ++i) {
            state = state * 1664525U + 1013904223U;
            to[i] = static_cast<char>(state >> 24);
        }
        break;
    }
    case shape::line: {
        char text[line_bytes + 1];
        std::snprintf(text, sizeof text, "set c%05u m%010u level=%02u", connection % 100000U, sequence,
                      sequence % 100U);
        std::memset(to, '.', size);
        std::memcpy(to, text, std::min(std::strlen(text), size - 2));
        to[size - 2] = '\r';
        to[size - 1] = '\n';
        return;
    }
    case shape::length4:
        to[0] = to[1] = 0;
        to[2] = static_cast<char>(length_body_bytes >> 8);
        to[3] = static_cast<char>(length_body_bytes & 0xff);
        for (std::size_t i = 4; i < size; ++i) to[i] = static_cast<char>(i * 7 + sequence * 13 + connection);
        break;
    case shape::http:
        std::memcpy(to, http_answers::request.data(), size);
        return;
    case shape::question:
    case shape::answer: {
        const unsigned room = connection % 100000U, number = 100000U + sequence % 900000U;
        const unsigned tenths = 100U + (sequence * 7U + connection) % 800U;
        char text[question_bytes + 64];
        const int length =
            s == shape::question
                ? std::snprintf(text, sizeof text, question_text, room, number, tenths / 10, tenths % 10)
                : std::snprintf(text, sizeof text, answer_text, room, number, tenths);
        if (length != static_cast<int>(size)) fail("a message of %d bytes, expected %zu", length, size);
        std::memcpy(to, text, size);
        return;
    }
    }
    // The numbers themselves, so that no two messages of a ring are alike.
    char* numbers = to + (s == shape::length4 ? 4 : 0);
    std::memcpy(numbers, &connection, sizeof connection);
    std::memcpy(numbers + sizeof connection, &sequence, sizeof sequence);
}

// `count` messages, followed by the first `window` of them again: whatever is sent or expected at once, at
// most `window` messages, is contiguous at any place of the stream.
class ring {
  public:
    ring(shape s, unsigned connection, std::size_t count, std::size_t window)
        : bytes_(count * message_bytes(s)), data_((count + window) * message_bytes(s)) {
        const std::size_t size = message_bytes(s);
        for (std::size_t i = 0; i < count + window; ++i)
            make_message(data_.data() + i * size, s, connection, static_cast<unsigned>(i % count));
    }

    const char* at(std::uint64_t position) const { return data_.data() + position % bytes_; }

  private:
    std::size_t bytes_;
    std::vector<char> data_;
};

std::string printable(const char* data, std::size_t size) {
    std::string text;
    for (std::size_t i = 0; i < size; ++i) {
        const auto c = static_cast<unsigned char>(data[i]);
        if (c >= 0x20 && c < 0x7f && c != '\\') {
            text += static_cast<char>(c);
        } else {
            char escaped[5];
            std::snprintf(escaped, sizeof escaped, "\\x%02x", c);
            text += escaped;
        }
    }
    return text;
}

// Compares what came with what must come; `position` is the number of bytes of the stream before it.
void check(const ring& expected, std::uint64_t position, const char* data, std::size_t size,
           std::size_t message, unsigned connection) {
    const char* want = expected.at(position);
    if (std::memcmp(want, data, size) == 0) return;
    std::size_t first = 0;
    while (want[first] == data[first]) ++first;
    const std::size_t shown = std::min<std::size_t>(size - first, 32);
    fail("wrong answer on connection %u: message %" PRIu64 ", byte %zu: expected \"%s\", got \"%s\"",
         connection, (position + first) / message, static_cast<std::size_t>((position + first) % message),
         printable(want + first, shown).c_str(), printable(data + first, shown).c_str());
}

// ---------------------------------------------------------------------------------------------------------------
// Sockets

int connect_to(int port, unsigned source) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) fail("socket: %s", std::strerror(errno));
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (source != 0) {
        ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
        sockaddr_in from{};
        from.sin_family = AF_INET;
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + source);
        if (::bind(fd, reinterpret_cast<sockaddr*>(&from), sizeof from) != 0)
            fail("bind: %s", std::strerror(errno));
    }
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // Blocking: on loopback the kernel does the handshake within this call.
    if (::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
        fail("connect to port %d: %s", port, std::strerror(errno));
    return fd;
}

void watch(int set, int operation, int fd, std::uint32_t events, std::uint32_t index) {
    epoll_event event{};
    event.events = events;
    event.data.u32 = index;
    if (::epoll_ctl(set, operation, fd, &event) != 0) fail("epoll_ctl: %s", std::strerror(errno));
}

std::vector<char>& read_buffer() {
    static std::vector<char> buffer(256 * 1024);
    return buffer;
}

// ---------------------------------------------------------------------------------------------------------------
// Report

struct report {
    sample begin, end;
    std::uint64_t messages = 0; // answered and checked within the interval
    std::uint64_t total_messages = 0;
    histogram latency;
};

void print(const options& o, std::size_t size, const sampler& samples, const report& r) {
    const double seconds = static_cast<double>(r.end.time_ns - r.begin.time_ns) / 1e9;
    std::printf("{\"workload\": \"%s\", \"connections\": %d, \"depth\": %d, \"message_bytes\": %zu, "
                "\"messages\": %" PRIu64 ", \"total_messages\": %" PRIu64
                ", \"seconds\": %.6f, \"rate\": %.1f",
                o.workload.c_str(), o.connections, o.depth, size, r.messages, r.total_messages, seconds,
                static_cast<double>(r.messages) / seconds);
    std::printf(", \"generator_cpu_ns\": %" PRIu64 ", \"generator_waited_ns\": %" PRIu64,
                r.end.own_cpu_ns - r.begin.own_cpu_ns, r.end.own_waited_ns - r.begin.own_waited_ns);
    if (!r.latency.empty())
        std::printf(", \"latency_p50_us\": %.2f, \"latency_p99_us\": %.2f", r.latency.quantile_us(0.50),
                    r.latency.quantile_us(0.99));
    if (samples.has_server())
        std::printf(", \"server_cpu_ns\": %" PRIu64 ", \"server_waited_ns\": %" PRIu64,
                    r.end.server_cpu_ns - r.begin.server_cpu_ns,
                    r.end.server_waited_ns - r.begin.server_waited_ns);
    if (samples.has_system_calls())
        std::printf(", \"system_calls\": %" PRIu64, r.end.system_calls - r.begin.system_calls);
    if (samples.has_allocations())
        std::printf(", \"allocations\": %" PRIu64, r.end.allocations - r.begin.allocations);
    std::puts("}");
    std::fflush(stdout);
}

// Warm-up, interval, end: asked once an epoll_wait, not once a message.
class phases {
  public:
    phases(const options& o, const sampler& samples, report& r)
        : samples_(samples), report_(r), begin_(now_ns() + static_cast<std::uint64_t>(o.warmup * 1e9)),
          interval_(static_cast<std::uint64_t>(o.seconds * 1e9)) {}

    // True as long as messages are to be sent.
    bool running(std::uint64_t now) {
        if (!measuring_) {
            if (now < begin_) return true;
            measuring_ = true;
            report_.messages = 0;
            report_.latency.clear();
            report_.begin = samples_.take();
            end_ = report_.begin.time_ns + interval_;
            return true;
        }
        if (now < end_) return true;
        report_.end = samples_.take();
        return false;
    }

  private:
    const sampler& samples_;
    report& report_;
    std::uint64_t begin_;
    std::uint64_t interval_;
    std::uint64_t end_ = 0;
    bool measuring_ = false;
};

// ---------------------------------------------------------------------------------------------------------------
// echo, lines, length4, http, messages: a fixed number of connections, each with `depth` messages under way

class stream_load {
  public:
    stream_load(const options& o, shape s)
        : options_(o), shape_(s), message_(message_bytes(s)),
          answer_(message_bytes(s == shape::question ? shape::answer : s)),
          set_(::epoll_create1(EPOLL_CLOEXEC)) {
        const auto count = static_cast<std::size_t>(std::max(16, o.depth * 4));
        for (int i = 0; i < o.connections; ++i) {
            const auto index = static_cast<std::uint32_t>(i);
            const auto window = static_cast<std::size_t>(o.depth);
            links_.emplace_back(connect_to(o.port, 0), ring(s, index, count, window));
            if (s == shape::question) links_.back().answers.emplace(shape::answer, index, count, window);
            ::fcntl(links_.back().fd, F_SETFL, O_NONBLOCK);
            watch(set_, EPOLL_CTL_ADD, links_.back().fd, EPOLLIN, index);
        }
    }

    void run(const sampler& samples, report& r) {
        const bool timed = options_.depth == 1;
        phases phase(options_, samples, r);
        std::uint64_t now = now_ns();
        for (auto& l : links_) {
            l.asked_at = now;
            ask(l, static_cast<std::size_t>(options_.depth));
        }
        std::uint64_t progress = now;
        std::array<epoll_event, 128> events;
        bool running = true;
        while (running) {
            const int n = ::epoll_wait(set_, events.data(), events.size(), 100);
            if (n < 0 && errno != EINTR) fail("epoll_wait: %s", std::strerror(errno));
            now = now_ns();
            running = phase.running(now);
            if (n > 0) progress = now;
            if (now - progress > stall_ns) missing();
            for (int i = 0; i < n; ++i) {
                auto& l = links_[events[static_cast<std::size_t>(i)].data.u32];
                if (l.unsent != 0) push(l);
                const std::size_t answered = take(l);
                if (answered == 0) continue;
                r.messages += running ? answered : 0;
                r.total_messages += answered;
                if (timed) {
                    now = now_ns();
                    r.latency.add(now - l.asked_at);
                    l.asked_at = now;
                }
                if (running) ask(l, answered);
            }
        }
        finish(r);
    }

  private:
    struct link {
        link(int f, ring&& m) : fd(f), messages(std::move(m)) {}
        int fd;
        ring messages;
        std::optional<ring> answers{}; // messages: what comes back; in the others the same as what was sent
        std::uint64_t sent = 0;        // bytes given to the kernel
        std::uint64_t received = 0;    // bytes checked; http: of the requests whose answers were
        std::uint64_t arrived = 0;     // bytes, checked or not
        std::string partial{};         // http: the beginning of an answer
        std::size_t unsent = 0;        // bytes that the kernel did not take yet
        bool writable = false;         // whether EPOLLOUT is waited for
        std::uint64_t asked_at = 0;    // depth 1: when the message under way was sent
    };

    void ask(link& l, std::size_t count) {
        const bool waiting = l.unsent != 0;
        l.unsent += count * message_;
        if (!waiting) push(l);
    }

    void push(link& l) {
        const ssize_t n = ::send(l.fd, l.messages.at(l.sent), l.unsent, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN) broken(l, "send");
        if (n > 0) {
            l.sent += static_cast<std::uint64_t>(n);
            l.unsent -= static_cast<std::size_t>(n);
        }
        const bool wait = l.unsent != 0;
        if (wait != l.writable) {
            l.writable = wait;
            watch(set_, EPOLL_CTL_MOD, l.fd, wait ? EPOLLIN | EPOLLOUT : EPOLLIN, index(l));
        }
    }

    // Bytes of answers that may still come.
    std::uint64_t due(const link& l) const {
        return (l.answers ? l.sent / message_ * answer_ : l.sent) - l.received;
    }

    // Reads once and checks what came; the number of messages that this completed.
    std::size_t take(link& l) {
        auto& buffer = read_buffer();
        const ssize_t n = ::recv(l.fd, buffer.data(), buffer.size(), 0);
        if (n < 0 && errno == EAGAIN) return 0;
        if (n < 0) broken(l, "recv");
        if (n == 0) closed(l);
        const auto size = static_cast<std::size_t>(n);
        l.arrived += size;
        if (shape_ == shape::http) return take_http(l, {buffer.data(), size});
        if (size > due(l))
            fail("connection %u was answered %zu bytes more than it asked for", index(l),
                 static_cast<std::size_t>(size - due(l)));
        check(l.answers ? *l.answers : l.messages, l.received, buffer.data(), size, answer_, index(l));
        const std::uint64_t before = l.received / answer_;
        l.received += size;
        return static_cast<std::size_t>(l.received / answer_ - before);
    }

    std::size_t take_http(link& l, std::string_view data) {
        if (!l.partial.empty()) data = l.partial.append(data);
        std::string why;
        const auto found = answers_.take(data, why);
        if (!found)
            fail("wrong answer on connection %u: %s: \"%s\"", index(l), why.c_str(),
                 printable(data.data(), std::min<std::size_t>(data.size(), 300)).c_str());
        if (found->answers > (l.sent - l.received) / message_)
            fail("connection %u was answered more than it asked for", index(l));
        l.received += found->answers * message_;
        if (found->used == data.size())
            l.partial.clear();
        else if (l.partial.empty())
            l.partial.assign(data.substr(found->used));
        else
            l.partial.erase(0, found->used);
        if (l.received == l.sent && !l.partial.empty())
            fail("connection %u was answered more than it asked for", index(l));
        return found->answers;
    }

    // After the interval: every answer that is still under way must come, then the end of the stream, nothing
    // else.
    void finish(report& r) {
        for (auto& l : links_) {
            ::fcntl(l.fd, F_SETFL, 0);
            const timeval limit{5, 0};
            ::setsockopt(l.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
            ::setsockopt(l.fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
            while (l.unsent != 0) push(l);
            while (due(l) != 0) {
                const std::uint64_t before = l.arrived;
                r.total_messages += take(l);
                if (l.arrived == before) missing();
            }
            ::shutdown(l.fd, SHUT_WR);
            char more = 0;
            const ssize_t n = ::recv(l.fd, &more, 1, 0);
            if (n > 0) fail("connection %u was answered more than it asked for", index(l));
            if (n < 0) fail("connection %u was not closed by the server: %s", index(l), std::strerror(errno));
            ::close(l.fd);
        }
    }

    // A server that closes with unread requests resets the connection, and either call may see it first.
    [[noreturn]] void broken(const link& l, const char* call) {
        if (errno == ECONNRESET || errno == EPIPE) closed(l);
        fail("%s on connection %u: %s", call, index(l), std::strerror(errno));
    }

    [[noreturn]] void closed(const link& l) {
        fail("connection %u was closed with %" PRIu64 " messages unanswered", index(l),
             (due(l) + answer_ - 1) / answer_);
    }

    [[noreturn]] void missing() {
        for (const auto& l : links_)
            if (due(l) != 0)
                fail("missing answer: connection %u sent %" PRIu64 " bytes, %" PRIu64 " came back", index(l),
                     l.sent, l.received);
        fail("no progress");
    }

    std::uint32_t index(const link& l) const { return static_cast<std::uint32_t>(&l - links_.data()); }

    const options& options_;
    shape shape_;
    std::size_t message_;
    std::size_t answer_;
    int set_;
    std::vector<link> links_;
    http_answers answers_;
};

// ---------------------------------------------------------------------------------------------------------------
// churn: connect, one message, its answer, end of stream both ways; a few at the same time

class churn_load {
  public:
    explicit churn_load(const options& o)
        : options_(o), set_(::epoll_create1(EPOLL_CLOEXEC)), messages_(shape::raw, 0, ring_messages, 1),
          visits_(static_cast<std::size_t>(o.connections)) {}

    void run(const sampler& samples, report& r) {
        phases phase(options_, samples, r);
        std::uint64_t now = now_ns();
        std::uint64_t progress = now;
        for (auto& v : visits_) open(v, now);
        std::array<epoll_event, 64> events;
        std::size_t open_visits = visits_.size();
        bool running = true;
        while (open_visits != 0) {
            const int n = ::epoll_wait(set_, events.data(), events.size(), 100);
            if (n < 0 && errno != EINTR) fail("epoll_wait: %s", std::strerror(errno));
            now = now_ns();
            if (running) running = phase.running(now);
            if (n > 0) progress = now;
            if (now - progress > stall_ns) fail("missing answer: %zu connections wait for one", open_visits);
            for (int i = 0; i < n; ++i) {
                auto& v = visits_[events[static_cast<std::size_t>(i)].data.u32];
                if (!advance(v)) continue;
                ++r.total_messages;
                if (running) {
                    now = now_ns();
                    ++r.messages;
                    r.latency.add(now - v.opened_at);
                    open(v, now);
                } else {
                    --open_visits;
                }
            }
        }
    }

  private:
    static constexpr std::size_t ring_messages = 1024;

    // The closer of a connection keeps its port for a minute (TIME_WAIT). With one source address the 28 000
    // ports would be used up within seconds.
    static constexpr unsigned sources = 64;

    struct visit {
        int fd = -1;
        std::uint64_t number = 0;
        std::size_t received = 0;
        std::uint64_t opened_at = 0;
    };

    void open(visit& v, std::uint64_t now) {
        v.number = next_++;
        v.received = 0;
        v.opened_at = now;
        v.fd = connect_to(options_.port, 1 + static_cast<unsigned>(v.number % sources));
        watch(set_, EPOLL_CTL_ADD, v.fd, EPOLLIN, static_cast<std::uint32_t>(&v - visits_.data()));
        if (::send(v.fd, messages_.at(v.number * echo_bytes), echo_bytes, MSG_NOSIGNAL) != echo_bytes)
            fail("send on connection %" PRIu64 ": %s", v.number, std::strerror(errno));
    }

    // True when the connection has come to its end.
    bool advance(visit& v) {
        char buffer[2 * echo_bytes];
        const ssize_t n = ::recv(v.fd, buffer, sizeof buffer, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return false;
        if (n < 0) fail("recv on connection %" PRIu64 ": %s", v.number, std::strerror(errno));
        if (n == 0) {
            if (v.received != echo_bytes)
                fail("connection %" PRIu64 " was closed without its answer", v.number);
            ::close(v.fd);
            return true;
        }
        const auto size = static_cast<std::size_t>(n);
        if (v.received + size > echo_bytes) fail("connection %" PRIu64 " was answered too much", v.number);
        check(messages_, v.number * echo_bytes + v.received, buffer, size, echo_bytes,
              static_cast<unsigned>(v.number));
        v.received += size;
        if (v.received == echo_bytes) ::shutdown(v.fd, SHUT_WR);
        return false;
    }

    const options& options_;
    int set_;
    ring messages_;
    std::vector<visit> visits_;
    std::uint64_t next_ = 0;
};

// ---------------------------------------------------------------------------------------------------------------
// datagrams: one socket, `depth` datagrams under way; none may be lost, changed, doubled or overtaken

class datagram_load {
  public:
    explicit datagram_load(const options& o)
        : options_(o), depth_(static_cast<std::size_t>(o.depth)),
          messages_(shape::raw, 0, std::max<std::size_t>(16, depth_ * 4), depth_),
          fd_(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)), in_(depth_ * room), pieces_(depth_),
          headers_(depth_) {
        if (fd_ < 0) fail("socket: %s", std::strerror(errno));
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_port = htons(static_cast<std::uint16_t>(o.port));
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof to) != 0)
            fail("connect: %s", std::strerror(errno));
        const timeval tick{0, 100'000};
        ::setsockopt(fd_, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof tick);
        for (std::size_t i = 0; i < depth_; ++i) {
            headers_[i].msg_hdr.msg_iov = &pieces_[i];
            headers_[i].msg_hdr.msg_iovlen = 1;
        }
    }

    void run(const sampler& samples, report& r) {
        phases phase(options_, samples, r);
        std::uint64_t progress = now_ns();
        ask(depth_);
        bool running = true;
        while (running || received_ < sent_) {
            const std::size_t answered = take();
            const std::uint64_t now = now_ns();
            if (running) running = phase.running(now);
            if (answered != 0) progress = now;
            if (now - progress > stall_ns)
                fail("missing answer: %" PRIu64 " datagrams sent, %" PRIu64 " came back", sent_, received_);
            r.messages += running ? answered : 0;
            r.total_messages += answered;
            if (running) ask(answered);
        }
        char more = 0;
        if (::recv(fd_, &more, 1, 0) >= 0) fail("answered more than it asked for");
        ::close(fd_);
    }

  private:
    static constexpr std::size_t room = 2 * echo_bytes; // an answer that is too long is seen to be

    void ask(std::size_t count) {
        for (std::size_t i = 0; i < count; ++i)
            pieces_[i] = {const_cast<char*>(messages_.at((sent_ + i) * echo_bytes)), echo_bytes};
        for (std::size_t done = 0; done < count;) {
            const int n = ::sendmmsg(fd_, &headers_[done], static_cast<unsigned>(count - done), 0);
            if (n < 0) fail("sendmmsg: %s", std::strerror(errno));
            done += static_cast<std::size_t>(n);
        }
        sent_ += count;
    }

    std::size_t take() {
        for (std::size_t i = 0; i < depth_; ++i) pieces_[i] = {in_.data() + i * room, room};
        const int n =
            ::recvmmsg(fd_, headers_.data(), static_cast<unsigned>(depth_), MSG_WAITFORONE, nullptr);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) return 0;
            fail("recvmmsg: %s", std::strerror(errno));
        }
        const auto count = static_cast<std::size_t>(n);
        if (count > sent_ - received_) fail("answered more than it asked for");
        for (std::size_t i = 0; i < count; ++i, ++received_) {
            if (headers_[i].msg_len != echo_bytes)
                fail("wrong answer: datagram %" PRIu64 " has %u bytes, expected %zu", received_,
                     headers_[i].msg_len, echo_bytes);
            check(messages_, received_ * echo_bytes, in_.data() + i * room, echo_bytes, echo_bytes, 0);
        }
        return count;
    }

    const options& options_;
    std::size_t depth_;
    ring messages_;
    int fd_;
    std::vector<char> in_;
    std::vector<iovec> pieces_;
    std::vector<mmsghdr> headers_;
    std::uint64_t sent_ = 0;     // datagrams
    std::uint64_t received_ = 0; // and those that were checked
};

// ---------------------------------------------------------------------------------------------------------------
// idle: many connections, each used once, then silent

class idle_load {
  public:
    explicit idle_load(const options& o) : options_(o), set_(::epoll_create1(EPOLL_CLOEXEC)) {}

    // Says when all connections have been used and are silent, then holds them until standard input ends (or
    // the watchdog does), and at last uses each once more: a server that saves memory by forgetting is found
    // out.
    void run() {
        links_.reserve(static_cast<std::size_t>(options_.connections));
        for (int i = 0; i < options_.connections; ++i) {
            links_.push_back({connect_to(options_.port, 0)});
            watch(set_, EPOLL_CTL_ADD, links_.back().fd, EPOLLIN, static_cast<std::uint32_t>(i));
            if ((i + 1) % wave == 0 || i + 1 == options_.connections) exchange(i / wave * wave, i + 1, 0);
        }
        say("ready");
        hold();
        for (int i = 0; i < options_.connections; i += wave)
            exchange(i, std::min(i + wave, options_.connections), 1);
        say("checked");
    }

  private:
    static constexpr int wave = 200; // fewer than any server's backlog

    struct link {
        int fd;
        std::size_t received = 0;
    };

    void exchange(int from, int to, unsigned sequence) {
        char message[line_bytes];
        for (int i = from; i < to; ++i) {
            make_message(message, shape::line, static_cast<unsigned>(i), sequence);
            if (::send(at(i).fd, message, line_bytes, MSG_NOSIGNAL) != line_bytes)
                fail("send on connection %d: %s", i, std::strerror(errno));
            at(i).received = 0;
        }
        std::array<epoll_event, 128> events;
        for (int open = to - from; open > 0;) {
            const int n =
                ::epoll_wait(set_, events.data(), events.size(), static_cast<int>(stall_ns / 1'000'000));
            if (n < 0 && errno != EINTR) fail("epoll_wait: %s", std::strerror(errno));
            if (n == 0) fail("missing answer: %d connections wait for one", open);
            for (int e = 0; e < n; ++e) {
                const auto i = static_cast<int>(events[static_cast<std::size_t>(e)].data.u32);
                char buffer[2 * line_bytes];
                const ssize_t got = ::recv(at(i).fd, buffer, sizeof buffer, MSG_DONTWAIT);
                if (got <= 0) fail("connection %d was closed by the server", i);
                const auto size = static_cast<std::size_t>(got);
                make_message(message, shape::line, static_cast<unsigned>(i), sequence);
                if (i < from || i >= to || at(i).received + size > line_bytes ||
                    std::memcmp(message + at(i).received, buffer, size) != 0)
                    fail("wrong answer on connection %d: \"%s\"", i, printable(buffer, size).c_str());
                at(i).received += size;
                if (at(i).received == line_bytes) --open;
            }
        }
    }

    void hold() {
        constexpr std::uint32_t input = 0xffffffff;
        // A file or /dev/null cannot be watched; it has ended already.
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u32 = input;
        if (::epoll_ctl(set_, EPOLL_CTL_ADD, STDIN_FILENO, &event) != 0) return;
        for (;;) {
            const int n = ::epoll_wait(set_, &event, 1, -1);
            if (n < 0 && errno != EINTR) fail("epoll_wait: %s", std::strerror(errno));
            if (n <= 0) continue;
            if (event.data.u32 != input) fail("idle connection %u was spoken to or closed", event.data.u32);
            char ignored[64];
            if (::read(STDIN_FILENO, ignored, sizeof ignored) <= 0) break;
        }
        ::epoll_ctl(set_, EPOLL_CTL_DEL, STDIN_FILENO, nullptr);
    }

    void say(const char* state) const {
        std::printf("{\"workload\": \"idle\", \"connections\": %d, \"state\": \"%s\"}\n",
                    options_.connections, state);
        std::fflush(stdout);
    }

    link& at(int i) { return links_[static_cast<std::size_t>(i)]; }

    const options& options_;
    int set_;
    std::vector<link> links_;
};

// ---------------------------------------------------------------------------------------------------------------

[[noreturn]] void usage() {
    std::fputs("usage: load_generator echo|lines|length4|http|messages|churn|datagrams|idle --port N\n"
               "       [--connections N] [--depth N] [--seconds S] [--warmup S] [--server-pid PID "
               "[--tracepoint ID] [--allocations FILE]]\n"
               "Connects to 127.0.0.1 only. idle holds its connections until standard input ends; --seconds "
               "bounds it.\n",
               stderr);
    std::exit(2);
}

options parse(int argc, char** argv) {
    options o;
    if (argc < 2) usage();
    o.workload = argv[1];
    for (int i = 2; i < argc; ++i) {
        const std::string_view name = argv[i];
        if (++i == argc) usage();
        const char* value = argv[i];
        if (name == "--port")
            o.port = std::atoi(value);
        else if (name == "--connections")
            o.connections = std::atoi(value);
        else if (name == "--depth")
            o.depth = std::atoi(value);
        else if (name == "--seconds")
            o.seconds = std::atof(value);
        else if (name == "--warmup")
            o.warmup = std::atof(value);
        else if (name == "--server-pid")
            o.server_pid = std::atoi(value);
        else if (name == "--tracepoint")
            o.tracepoint = std::atol(value);
        else if (name == "--allocations")
            o.allocations = value;
        else
            usage();
    }
    struct defaults {
        std::string_view workload;
        int connections, depth;
    };
    constexpr defaults known[] = {{"echo", 64, 1}, {"lines", 8, 64},     {"length4", 8, 16},
                                  {"churn", 4, 1}, {"datagrams", 1, 64}, {"idle", 10'000, 1},
                                  {"http", 64, 1}, {"messages", 8, 64}};
    const auto* found =
        std::find_if(std::begin(known), std::end(known), [&](auto& k) { return k.workload == o.workload; });
    if (found == std::end(known)) usage();
    if (o.connections == 0) o.connections = found->connections;
    if (o.depth == 0) o.depth = found->depth;
    if (o.port <= 0 || o.port > 65535 || o.connections < 1 || o.connections > 25'000 || o.depth < 1 ||
        o.depth > 4096 || !(o.seconds > 0.0 && o.seconds <= 600.0) || !(o.warmup >= 0.0 && o.warmup <= 60.0))
        usage();
    return o;
}

} // namespace

int main(int argc, char** argv) {
    const options o = parse(argc, argv);
    raise_descriptor_limit();
    start_watchdog(o.seconds + o.warmup + 30.0);

    if (o.workload == "idle") {
        idle_load(o).run();
        return 0;
    }
    static report r; // large: the histogram
    if (o.workload == "churn") {
        churn_load load(o);
        const sampler samples(o);
        load.run(samples, r);
        print(o, echo_bytes, samples, r);
        return 0;
    }
    if (o.workload == "datagrams") {
        datagram_load load(o);
        const sampler samples(o);
        load.run(samples, r);
        print(o, echo_bytes, samples, r);
        return 0;
    }
    const shape s = o.workload == "echo"       ? shape::raw
                    : o.workload == "lines"    ? shape::line
                    : o.workload == "http"     ? shape::http
                    : o.workload == "messages" ? shape::question
                                               : shape::length4;
    stream_load load(o, s);
    const sampler samples(o);
    load.run(samples, r);
    print(o, message_bytes(s), samples, r);
    return 0;
}
