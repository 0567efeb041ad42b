// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/inherited_sockets.hpp>

#include "support/catch.hpp"
#include "support/child_process.hpp"
#include "unit/net/net_support.hpp"

#include <portunus/net/tcp_listener.hpp>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/un.h>

using namespace portunus_tests;
using portunus::errc;
using portunus::error;
using portunus::inherited_kind;
using portunus::inherited_socket;
using portunus::inherited_sockets;
using portunus::listen_environment;
using portunus::listener_options;
using portunus::tcp_listener;
using portunus::detail::listen_variables;
using portunus::detail::names_of_inherited;
using portunus::detail::take_inherited;

namespace {

constexpr long own = 4711;
using names = std::vector<std::string>;

bool is_open(int fd) {
    return ::fcntl(fd, F_GETFD) != -1;
}
bool closes_on_exec(int fd) {
    return (::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0;
}

/// Descriptors as a service manager hands them over: in a row, and not close-on-exec. Whoever owns them in
/// the end, nothing is left of them after the test.
class handed_over {
  public:
    explicit handed_over(const std::vector<int>& what) {
        const int free_from = 200;
        for (std::size_t i = 0; i < what.size(); ++i) {
            const int fd = free_from + static_cast<int>(i);
            if (is_open(fd) || ::dup2(what[i], fd) != fd)
                throw std::runtime_error("descriptor 200 is in use");
            ::close(what[i]);
        }
        first = free_from;
        count = what.size();
    }
    handed_over(const handed_over&) = delete;
    handed_over& operator=(const handed_over&) = delete;
    ~handed_over() {
        for (std::size_t i = 0; i < count; ++i) ::close(first + static_cast<int>(i));
    }
    int first = 0;
    std::size_t count = 0;
};

int tcp_listening(tcp::endpoint& at, int backlog = 16) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    tcp::endpoint e(loopback, 0);
    if (::bind(fd, e.data(), static_cast<socklen_t>(e.size())) != 0 || ::listen(fd, backlog) != 0)
        throw std::runtime_error("listening");
    auto size = static_cast<socklen_t>(e.capacity());
    ::getsockname(fd, e.data(), &size);
    at = e;
    return fd;
}

int local_listening(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), name.sun_path);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&name),
               static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size())) != 0 ||
        ::listen(fd, 1) != 0)
        throw std::runtime_error("listening locally");
    return fd;
}

inherited_socket adopted(int fd, std::string name = "web") {
    return must(inherited_socket::adopt(fd, std::move(name)));
}

listener_options door_of(std::vector<inherited_socket> sockets) {
    listener_options door;
    door.inherited = std::move(sockets);
    door.policy = portunus::accept_policy::anyone();
    door.log = portunus::logger::silent();
    return door;
}

} // namespace

// the environment
// ----------------------------------------------------------------------------------------------

TEST_CASE(
    "the variables are for this process when they carry its number, and for nobody where one is missing") {
    CHECK(must(names_of_inherited({"4711", "2", "web:admin"}, own)) == names{"web", "admin"});
    CHECK(must(names_of_inherited({"4711", "2", nullptr}, own)) == names{"unknown", "unknown"});
    CHECK(must(names_of_inherited({"4711", "2", ":"}, own)) == names{"", ""});
    CHECK(must(names_of_inherited({"4711", "1", ""}, own)) == names{""});
    CHECK(must(names_of_inherited({"4711", "0", ""}, own)).empty());
    CHECK(must(names_of_inherited({"4711", "0", nullptr}, own)).empty());
    CHECK(must(names_of_inherited({"4712", "2", "web"}, own)).empty());        // of a parent
    CHECK(must(names_of_inherited({"4712", "nonsense", "web"}, own)).empty()); // and then no matter what
    CHECK(must(names_of_inherited({nullptr, "2", "web:admin"}, own)).empty());
    CHECK(must(names_of_inherited({"4711", nullptr, "web:admin"}, own)).empty());
    CHECK(must(names_of_inherited({}, own)).empty());
    CHECK(must(names_of_inherited({"4711", "4096", nullptr}, own)).size() == 4096);
}

TEST_CASE("a variable that is not what it should be is an error that names and quotes it") {
    struct row {
        listen_variables set;
        const char* variable;
        const char* quoted;
    };
    const std::string huge(1'000'000, '9'), long_name(256, 'n'), colons(1'000'000, ':');
    for (const row& r : {
             row{{"", "1", nullptr}, "LISTEN_PID", "\"\""},
             row{{"abc", "1", nullptr}, "LISTEN_PID", "\"abc\""},
             row{{"-4711", "1", nullptr}, "LISTEN_PID", "\"-4711\""},
             row{{"+4711", "1", nullptr}, "LISTEN_PID", "\"+4711\""},
             row{{" 4711", "1", nullptr}, "LISTEN_PID", "\" 4711\""},
             row{{"4711 ", "1", nullptr}, "LISTEN_PID", "\"4711 \""},
             row{{"4711\n", "1", nullptr}, "LISTEN_PID", "\"4711\\x0a\""},
             row{{"0", "1", nullptr}, "LISTEN_PID", "\"0\""},
             row{{"0x1267", "1", nullptr}, "LISTEN_PID", "\"0x1267\""},
             row{{huge.c_str(), "1", nullptr}, "LISTEN_PID", "\"9999"},
             row{{"4711", "", nullptr}, "LISTEN_FDS", "\"\""},
             row{{"4711", "-1", nullptr}, "LISTEN_FDS", "\"-1\""},
             row{{"4711", "one", nullptr}, "LISTEN_FDS", "\"one\""},
             row{{"4711", "1.0", nullptr}, "LISTEN_FDS", "\"1.0\""},
             row{{"4711", "4097", nullptr}, "LISTEN_FDS", "\"4097\""},
             row{{"4711", "4294967297", nullptr}, "LISTEN_FDS", "\"4294967297\""},
             row{{"4711", huge.c_str(), nullptr}, "LISTEN_FDS", "\"9999"},
             row{{"4711", "2", "web"}, "LISTEN_FDNAMES", "\"web\""},
             row{{"4711", "1", "web:admin"}, "LISTEN_FDNAMES", "\"web:admin\""},
             row{{"4711", "1", ":"}, "LISTEN_FDNAMES", "\":\""},
             row{{"4711", "0", "web"}, "LISTEN_FDNAMES", "\"web\""},
             row{{"4711", "1", "w\neb"}, "LISTEN_FDNAMES", "\"w\\x0aeb\""},
             row{{"4711", "1", long_name.c_str()}, "LISTEN_FDNAMES", "\"nnnn"},
             row{{"4711", "2", colons.c_str()}, "LISTEN_FDNAMES", "\"::::"},
         }) {
        CAPTURE(r.variable, r.quoted);
        const auto read = names_of_inherited(r.set, own);
        REQUIRE_FALSE(read.has_value());
        CHECK(read.error() == errc::invalid_option);
        CHECK(read.error().detail().starts_with(std::string(r.variable) + " is " + r.quoted));
        CHECK(read.error().detail().size() < 300);
    }
}

// the descriptors
// ----------------------------------------------------------------------------------------------

TEST_CASE(
    "every descriptor gets its name, its kind and its own end, belongs to its handle and closes on exec") {
    const std::string path = "/tmp/portunus-inherited-" + std::to_string(::getpid());
    tcp::endpoint at;
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    const plain_socket far(ends[1]);
    tcp::endpoint udp_at(loopback, 0);
    const int udp = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(udp, udp_at.data(), static_cast<socklen_t>(udp_at.size())) == 0);
    auto size = static_cast<socklen_t>(udp_at.capacity());
    REQUIRE(::getsockname(udp, udp_at.data(), &size) == 0);
    const int netlink = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 0);
    const int fresh = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const handed_over over({tcp_listening(at), ends[0], udp, netlink, fresh, ::open("/dev/null", O_RDONLY),
                            local_listening(path), local_listening(std::string(1, '\0') + path)});
    ::unlink(path.c_str());
    {
        auto taken =
            take_inherited({"4711", "8", "web:one:udp:nl:fresh:null:local:abstract"}, own, over.first);
        const auto sockets = must(std::move(taken));
        REQUIRE(sockets.size() == 8);
        struct row {
            const char* name;
            inherited_kind kind;
            std::string local;
        };
        const row expected[] = {{"web", inherited_kind::listening_stream, portunus::to_string(at)},
                                {"one", inherited_kind::connected_stream, ""},
                                {"udp", inherited_kind::datagram, portunus::to_string(udp_at)},
                                {"nl", inherited_kind::other_socket, ""},
                                {"fresh", inherited_kind::unbound_stream, "[::]:0"},
                                {"null", inherited_kind::no_socket, ""},
                                {"local", inherited_kind::listening_stream, path},
                                {"abstract", inherited_kind::listening_stream, "@" + path}};
        for (std::size_t i = 0; i < 8; ++i) {
            CAPTURE(expected[i].name);
            CHECK(sockets[i].name() == expected[i].name);
            CHECK(sockets[i].kind() == expected[i].kind);
            CHECK(sockets[i].local() == expected[i].local);
            CHECK(sockets[i].descriptor() == over.first + static_cast<int>(i));
            CHECK(closes_on_exec(sockets[i].descriptor()));
        }
        CHECK(sockets[0].endpoint() == at);
        CHECK_FALSE(sockets[1].endpoint());
        CHECK(sockets[2].endpoint() == udp_at);
        CHECK(to_string(sockets[0]) == "web: a listening stream socket, " + portunus::to_string(at));
        CHECK(to_string(sockets[5]) == "null: no socket");
    }
    for (int i = 0; i < 8; ++i) CHECK_FALSE(is_open(over.first + i));
}

TEST_CASE("either all descriptors are taken or none: one that is closed, or was taken before, is an error") {
    tcp::endpoint one, two;
    const handed_over over({tcp_listening(one), tcp_listening(two)});
    SECTION("one too many was promised") {
        const auto taken = take_inherited({"4711", "3", nullptr}, own, over.first);
        REQUIRE_FALSE(taken.has_value());
        CHECK(taken.error() == errc::invalid_option);
        CHECK(taken.error().detail() == "LISTEN_FDS is \"3\": descriptor 202 is not open");
    }
    SECTION("one has close-on-exec set") {
        ::fcntl(over.first + 1, F_SETFD, FD_CLOEXEC);
        const auto taken = take_inherited({"4711", "2", nullptr}, own, over.first);
        REQUIRE_FALSE(taken.has_value());
        CHECK(taken.error().detail().find("descriptor 201 has close-on-exec set") != std::string_view::npos);
    }
    SECTION("the names are wrong") {
        CHECK(error_of(take_inherited({"4711", "2", "a"}, own, over.first)) == errc::invalid_option);
    }
    CHECK(is_open(over.first));
    CHECK_FALSE(closes_on_exec(over.first));
    CHECK(is_open(over.first + 1));
    ::fcntl(over.first + 1, F_SETFD, 0);
    auto sockets = must(take_inherited({"4711", "2", nullptr}, own, over.first));
    CHECK(error_of(take_inherited({"4711", "2", nullptr}, own, over.first)) == errc::invalid_option); // again
}

TEST_CASE("the last handle closes the descriptor, unless somebody took it") {
    tcp::endpoint at;
    const int fd = tcp_listening(at);
    {
        const inherited_socket first = adopted(fd);
        {
            const inherited_socket second = first; // NOLINT: a copy is what is tested
            CHECK(second.descriptor() == fd);
        }
        CHECK(is_open(fd));
    }
    CHECK_FALSE(is_open(fd));
    const int other = tcp_listening(at);
    {
        const inherited_socket handle = adopted(other);
        CHECK(handle);
        CHECK(handle.release() == other);
        CHECK_FALSE(handle);
        CHECK(handle.release() == -1);
        CHECK(handle.descriptor() == -1);
    }
    CHECK(is_open(other));
    ::close(other);
    const inherited_socket none;
    CHECK_FALSE(none);
    CHECK(none.name().empty());
    CHECK(none.local().empty());
    CHECK(none.kind() == inherited_kind::no_socket);
    CHECK_FALSE(none.endpoint());
    CHECK(error_of(inherited_socket::adopt(-1, "web")) == errc::invalid_option);
    CHECK(error_of(inherited_socket::adopt(other, "web")).detail().find("\"web\"") != std::string_view::npos);
}

TEST_CASE("child: is given sockets by its environment", "[.][child]") {
    // The tests' own program has nothing open above the standard descriptors yet, or moves it away.
    tcp::endpoint one, two;
    const int a = ::fcntl(tcp_listening(one), F_DUPFD_CLOEXEC, 100);
    const int b = ::fcntl(tcp_listening(two), F_DUPFD_CLOEXEC, 100);
    ::dup2(a, 3);
    ::dup2(b, 4);
    ::setenv("LISTEN_PID", std::to_string(::getpid()).c_str(), 1);
    ::setenv("LISTEN_FDS", "2x", 1);
    ::setenv("LISTEN_FDNAMES", "web:admin", 1);
    const auto refused = inherited_sockets(listen_environment::unset);
    bool good = !refused && refused.error() == errc::invalid_option && std::getenv("LISTEN_FDS");
    ::setenv("LISTEN_FDS", "2", 1);
    {
        const auto kept = inherited_sockets();
        good = good && kept && kept->size() == 2 && std::getenv("LISTEN_PID");
        good = good && !inherited_sockets(); // they have an owner
        ::dup2(a, 3);                        // the same number, given anew
        ::dup2(b, 4);
        (*kept)[0].release();
        (*kept)[1].release();
    }
    const auto taken = inherited_sockets(listen_environment::unset);
    good = good && taken && taken->size() == 2 && (*taken)[0].endpoint() == one &&
           (*taken)[1].endpoint() == two && (*taken)[1].name() == "admin" && closes_on_exec(3) &&
           !std::getenv("LISTEN_PID") && !std::getenv("LISTEN_FDS") && !std::getenv("LISTEN_FDNAMES");
    const auto again = inherited_sockets();
    good = good && again && again->empty();
    std::_Exit(good ? 0 : 1);
}

TEST_CASE(
    "a process takes what its environment says, unsets it when asked, and finds nothing the second time") {
    auto child = child_process::of_test("child: is given sockets by its environment");
    const auto status = child.wait();
    INFO(child.said());
    CHECK(status.code == 0);
}

// as doors of a listener
// ----------------------------------------------------------------------------------------------

TEST_CASE("a listener without a port listens on what it inherited, and tells where") {
    world w;
    tcp::endpoint at;
    const int fd = tcp_listening(at);
    const auto door = door_of({adopted(fd)});
    auto early =
        plain_socket::connected_to(at); // before the program listened: that is what activation is for
    early.send("hello");
    {
        tcp_listener listener(w.context.get_executor(), door);
        CHECK(listener.endpoints() == std::vector<tcp::endpoint>{at});
        CHECK(listener.port() == at.port());
        auto came = w.start(listener.accept());
        w.settle();
        auto got = must(came.get());
        CHECK(got.peer.remote == early.local());
        CHECK(got.peer.local == at);
        CHECK(got.peer.listener == 0);
        std::array<char, 8> buffer;
        CHECK(must(got.stream.try_read_some(asio::buffer(buffer))) == 5);
        CHECK(is_open(fd));
    }
    w.settle();
    CHECK_FALSE(is_open(fd)); // the listener had it, not the options
}

TEST_CASE("inherited sockets are doors next to ports, after them in the list, and one accept serves all") {
    world w;
    tcp::endpoint one, two;
    auto door = door_of({adopted(tcp_listening(one)), adopted(tcp_listening(two), "admin")});
    door.ports = 0;
    door.addresses = {loopback, asio::ip::make_address("127.0.0.2")};
    tcp_listener listener(w.context.get_executor(), door);
    const auto where = listener.endpoints();
    REQUIRE(where.size() == 4);
    CHECK(where[0].port() == where[1].port());
    CHECK(where[2] == one);
    CHECK(where[3] == two);
    std::set<std::uint32_t> seen;
    for (const auto& to : where) {
        auto peer = plain_socket::connected_to(to);
        auto came = w.start(listener.accept());
        w.until([&] { return came.done(); });
        const auto got = must(came.get());
        CHECK(got.peer.local == to);
        seen.insert(got.peer.listener);
    }
    CHECK(seen == std::set<std::uint32_t>{0, 1, 2, 3});
}

TEST_CASE("the policy guards inherited doors like all others") {
    world w;
    tcp::endpoint at;
    auto door = door_of({adopted(tcp_listening(at))});
    door.policy = portunus::accept_policy();
    tcp_listener listener(w.context.get_executor(), door);
    auto peer = plain_socket::connected_to(at);
    auto came = w.start(listener.accept());
    w.until([&] { return listener.snapshot().refused_by_policy == 1; });
    CHECK(peer.read_to_end().second == ending::reset);
    CHECK_FALSE(came.done());
}

TEST_CASE("a socket of a wrong kind is refused with its name and what it is, and nothing is taken") {
    world w;
    tcp::endpoint at;
    const auto web = adopted(tcp_listening(at));
    const auto open_error = [&](const inherited_socket& second) {
        return error_of(tcp_listener::open(w.context.get_executor(), door_of({web, second})));
    };
    const std::string abstract = std::string(1, '\0') + "portunus-wrong-" + std::to_string(::getpid());
    struct row {
        inherited_socket socket;
        std::string text;
    };
    const row rows[] = {
        {adopted(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), "dns"), "dns: a datagram socket"},
        {adopted(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "x"),
         "x: a stream socket that does not listen"},
        {adopted(::open("/dev/null", O_RDONLY | O_CLOEXEC), "null"), "null: no socket"},
        {adopted(local_listening(abstract), "local"), "local: a listening stream socket, @portunus-wrong-"}};
    for (const row& r : rows) {
        CAPTURE(r.text);
        const error e = open_error(r.socket);
        CHECK(e == errc::invalid_option);
        CHECK(e.detail().find(r.text) != std::string_view::npos);
        CHECK(r.socket);
        CHECK(web);
    }
    CHECK(open_error(inherited_socket()) == errc::invalid_option);
    CHECK(open_error(web) == errc::invalid_option); // twice in one list
    CHECK(web);
    auto peer = plain_socket::connected_to(at); // it still listens
    const tcp_listener first(w.context.get_executor(), door_of({web}));
    const error taken = error_of(tcp_listener::open(w.context.get_executor(), door_of({web})));
    CHECK(taken == errc::invalid_option);
    CHECK(taken.detail().find("\"web\"") != std::string_view::npos);
}

TEST_CASE("a port that cannot be opened leaves the inherited sockets to whoever tries next") {
    world w;
    tcp::endpoint at;
    auto door = door_of({adopted(tcp_listening(at))});
    const plain_listener taken;
    door.ports = taken.endpoint().port();
    door.addresses = {loopback};
    CHECK(error_of(tcp_listener::open(w.context.get_executor(), door)) == errc::address_in_use);
    CHECK(door.inherited[0]);
    door.ports = portunus::port_list();
    const tcp_listener listener(w.context.get_executor(), door);
    CHECK(listener.endpoints().front() == at);
    door.inherited.clear();
    CHECK(error_of(tcp_listener::open(w.context.get_executor(), door)) == errc::invalid_port);
}

TEST_CASE(
    "stop serves who was in the queue, and leaves who comes later, and the socket, to the next program") {
    world w;
    tcp::endpoint at;
    const int fd = tcp_listening(at);
    const int manager = ::fcntl(fd, F_DUPFD_CLOEXEC, 0); // the service manager keeps the socket, too
    const plain_socket closes(manager);
    auto door = door_of({adopted(fd)});
    tcp_listener listener(w.context.get_executor(), door);
    std::vector<plain_socket> before, after;
    for (int i = 0; i < 3; ++i) before.push_back(plain_socket::connected_to(at));
    listener.stop();
    for (int i = 0; i < 2; ++i) after.push_back(plain_socket::connected_to(at)); // no filter is in the way
    for (int i = 0; i < 3; ++i) {
        auto came = w.start(listener.accept());
        w.until([&] { return came.done(); });
        CHECK(must(came.get()).peer.remote == before[static_cast<std::size_t>(i)].local());
    }
    auto last = w.start(listener.accept());
    w.settle();
    w.pass(1s);
    REQUIRE(last.done());
    CHECK(error_of(last.get()) == errc::listener_closed);
    CHECK_FALSE(is_open(fd));
    // The next program.
    auto next = door_of({adopted(::fcntl(manager, F_DUPFD_CLOEXEC, 0))});
    tcp_listener second(w.context.get_executor(), next);
    for (const auto& peer : after) {
        auto came = w.start(second.accept());
        w.until([&] { return came.done(); });
        CHECK(must(came.get()).peer.remote == peer.local());
        CHECK(peer.peek() == ending::eof); // closed by us just now, and not reset before
    }
    auto fresh = plain_socket::connected_to(at);
    CHECK(fresh.is_open());
}

TEST_CASE("a listener that waits is stopped although newcomers keep knocking at an inherited door") {
    world w;
    tcp::endpoint at;
    const int fd = tcp_listening(at, 64);
    const plain_socket manager(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
    auto door = door_of({adopted(fd)});
    door.ports = 0;
    door.addresses = {loopback};
    tcp_listener listener(w.context.get_executor(), door);
    auto waiting = w.start(listener.accept());
    w.settle();
    listener.stop();
    std::vector<plain_socket> crowd;
    for (int i = 0; i < 20; ++i) {
        crowd.push_back(plain_socket::connected_to(at));
        w.settle();
    }
    w.pass(1s);
    REQUIRE(waiting.done());
    CHECK(error_of(waiting.get()) == errc::listener_closed);
    CHECK(listener.snapshot().accepted == 0);
}

TEST_CASE("options with inherited sockets can be copied, and the copy opens what the original did not take") {
    world w;
    tcp::endpoint at;
    const auto door = door_of({adopted(tcp_listening(at))});
    const listener_options copy = door; // NOLINT: a copy is what is tested
    const tcp_listener listener(w.context.get_executor(), copy);
    CHECK(listener.port() == at.port());
    CHECK(error_of(tcp_listener::open(w.context.get_executor(), door)) == errc::invalid_option);
}
