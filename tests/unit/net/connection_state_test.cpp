// SPDX-License-Identifier: BSL-1.0
#include <portunus/net/connection_state.hpp>

#include "support/catch.hpp"

#include <cerrno>
#include <cstddef>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <string_view>

#include <netinet/tcp.h>

using portunus::close_reason;
using portunus::connection_phase;
using portunus::detailed_state;
using portunus::ended_state;
using portunus::ended_udp_state;
using portunus::errc;
using portunus::error;
using portunus::live_state;
using portunus::mactcp_state_number;
using portunus::opened_by;
using portunus::phase_of;
using portunus::reason_of;
using portunus::simple_state;
using portunus::simplified;
using portunus::tcp_state;
using portunus::tcp_state_from_kernel;
using portunus::termination_of;
using portunus::termination_reason;

namespace {

using s = detailed_state;

constexpr connection_phase phases[] = {
    connection_phase::none,           connection_phase::address_resolution, connection_phase::passive_opening,
    connection_phase::active_opening, connection_phase::established,        connection_phase::passive_closing,
    connection_phase::active_closing,
};
constexpr close_reason reasons[] = {
    close_reason::none,
    close_reason::eof,
    close_reason::reset,
    close_reason::timed_out,
    close_reason::idle,
    close_reason::closed_locally,
    close_reason::aborted_locally,
    close_reason::replaced,
    close_reason::denied,
    close_reason::protocol_error,
    close_reason::shutdown,
};
// Of each kind: nothing, a reset, silence, no way, our own trouble.
constexpr int numbers[] = {0,           ECONNRESET, ECONNREFUSED, EPIPE, ETIMEDOUT, EHOSTUNREACH,
                           ENETUNREACH, ENOBUFS,    EMFILE};

/// The states for one reason and one kind of number, in the order of `phases`.
struct row {
    const char* kinds; // of the numbers: n nothing, r reset, t silence, w no way, o our own trouble
    detailed_state in[7];
};

const row never{"", {}};

const row by_peer{"nr",
                  {s::never_opened, s::reset_strange, s::reset_passive_opening, s::reset_active_opening,
                   s::reset_established, s::reset_passive_closing, s::reset_active_closing}};
const row silence{"t",
                  {s::never_opened, s::unresolved, s::unanswered_passive_opening,
                   s::unanswered_active_opening, s::unanswered_established, s::unanswered_passive_closing,
                   s::unanswered_active_closing}};
const row no_way{"w",
                 {s::never_opened, s::unresolved, s::unanswered_passive_opening, s::unresolved,
                  s::unanswered_established, s::unanswered_passive_closing, s::unanswered_active_closing}};
const row our_trouble{"o",
                      {s::never_opened, s::unresolved, s::reset_by_command, s::discarded_by_command,
                       s::reset_by_command, s::reset_by_command, s::reset_by_command}};
const row command{"nrtwo",
                  {s::never_opened, s::discarded_by_command, s::reset_by_command, s::reset_by_command,
                   s::reset_by_command, s::reset_by_command, s::reset_by_command}};
const row our_close{"nrtwo",
                    {s::never_opened, s::discarded_by_command, s::reset_by_command, s::reset_by_command,
                     s::closed_active, s::closed_passive, s::closed_active}};
const row peers_end{"nrtwo",
                    {s::never_opened, s::reset_strange, s::closed_passive, s::closed_passive,
                     s::closed_passive, s::closed_passive, s::closed_active}};
const row data_error{"nrtwo",
                     {s::never_opened, s::discarded_by_command, s::reset_by_data_error,
                      s::reset_by_data_error, s::reset_by_data_error, s::reset_by_data_error,
                      s::reset_by_data_error}};
const row our_limit{"nrtwo",
                    {s::never_opened, s::unresolved, s::reset_by_timeout, s::reset_by_timeout,
                     s::reset_by_timeout, s::reset_by_timeout, s::reset_by_timeout}};
const row some_limit{"n",
                     {s::never_opened, s::unresolved, s::reset_by_timeout, s::unanswered_active_opening,
                      s::reset_by_timeout, s::reset_by_timeout, s::reset_by_timeout}};
const row limit_of_the_system{"rtwo",
                              {s::never_opened, s::unresolved, s::unanswered_passive_opening,
                               s::unanswered_active_opening, s::unanswered_established,
                               s::unanswered_passive_closing, s::unanswered_active_closing}};

const row& row_of(close_reason why, char kind) {
    const auto of_transport = [kind]() -> const row& {
        for (const row* r : {&by_peer, &silence, &no_way, &our_trouble})
            if (std::string_view(r->kinds).find(kind) != std::string_view::npos) return *r;
        return never;
    };
    switch (why) {
    case close_reason::none:
    case close_reason::reset:
        return of_transport();
    case close_reason::denied:
        return kind == 'n' ? command : of_transport();
    case close_reason::eof:
        return peers_end;
    case close_reason::closed_locally:
        return our_close;
    case close_reason::aborted_locally:
    case close_reason::replaced:
    case close_reason::shutdown:
        return command;
    case close_reason::protocol_error:
        return data_error;
    case close_reason::idle:
        return our_limit;
    case close_reason::timed_out:
        return kind == 'n' ? some_limit : limit_of_the_system;
    }
    return never;
}

char kind_of(int number) {
    switch (number) {
    case 0:
        return 'n';
    case ECONNRESET:
    case ECONNREFUSED:
    case EPIPE:
        return 'r';
    case ETIMEDOUT:
        return 't';
    case EHOSTUNREACH:
    case ENETUNREACH:
        return 'w';
    default:
        return 'o';
    }
}

error system_error(int number) {
    return error(boost::system::error_code(number, boost::system::system_category()));
}

} // namespace

TEST_CASE("each phase, reason and number of the system makes the detailed state of its place in the table") {
    std::size_t combinations = 0;
    for (const close_reason why : reasons)
        for (const int number : numbers) {
            const row& expected = row_of(why, kind_of(number));
            for (std::size_t i = 0; i < std::size(phases); ++i) {
                INFO(to_string(phases[i]) << ", " << to_string(why) << ", " << number);
                CHECK(to_string(ended_state(phases[i], why, number)) == to_string(expected.in[i]));
                ++combinations;
            }
        }
    CHECK(combinations == 7 * 11 * 9);
}

TEST_CASE("an ended connection is closed in seven values, whatever happened") {
    for (const connection_phase p : phases)
        for (const close_reason why : reasons) {
            for (const int number : numbers)
                CHECK(simplified(ended_state(p, why, number)) == simple_state::closed);
            CHECK(simplified(ended_udp_state(why)) == simple_state::closed);
        }
}

TEST_CASE("every closed state but those that Linux cannot show is reached, and those are not") {
    std::set<detailed_state> reached;
    for (const connection_phase p : phases)
        for (const close_reason why : reasons) {
            for (const int number : numbers) reached.insert(ended_state(p, why, number));
            reached.insert(ended_udp_state(why));
        }
    std::set<std::string_view> missing;
    for (int i = 0; i < static_cast<int>(s::address_resolution); ++i)
        if (!reached.count(static_cast<s>(i))) missing.insert(to_string(static_cast<s>(i)));
    CHECK(missing == std::set<std::string_view>{"sequence_passive_opening", "sequence_active_opening"});
    for (const detailed_state r : reached) CHECK(r < s::address_resolution); // all of them closed
}

TEST_CASE("an error says what its code says, and the library's own errors are no numbers of the system") {
    using p = connection_phase;
    const auto attempt = [](p phase, const error& e) { return ended_state(phase, close_reason::none, e); };
    CHECK(attempt(p::active_opening, system_error(ECONNREFUSED)) == s::reset_active_opening);
    CHECK(attempt(p::active_opening, system_error(ETIMEDOUT)) == s::unanswered_active_opening);
    CHECK(attempt(p::active_opening, system_error(EHOSTUNREACH)) == s::unresolved);
    CHECK(attempt(p::active_opening, system_error(EMFILE)) == s::discarded_by_command);
    CHECK(attempt(p::active_opening, error(errc::connect_timeout, "10.0.0.7:1")) ==
          s::unanswered_active_opening);
    CHECK(attempt(p::active_opening, error(errc::canceled)) == s::reset_by_command);
    CHECK(attempt(p::address_resolution, error(errc::canceled)) == s::discarded_by_command);
    CHECK(attempt(p::address_resolution, error(errc::host_not_found, "\"x\"")) == s::unresolved);
    CHECK(attempt(p::active_opening, error(errc::host_not_found)) == s::unresolved);
    CHECK(attempt(p::none, error(errc::host_not_found)) == s::never_opened);
    CHECK(attempt(p::address_resolution, error(errc::resolve_timeout)) == s::unresolved);
    CHECK(attempt(p::address_resolution, error(errc::no_answer)) == s::unresolved);
    CHECK(attempt(p::passive_opening, error(errc::handshake_timeout)) == s::reset_by_timeout);
    CHECK(attempt(p::passive_opening, error(errc::denied)) == s::reset_by_command);
    CHECK(attempt(p::established, error(errc::end_of_stream)) == s::closed_passive);
    // errc::too_many_connections and the like have small numbers that are an errno as well.
    for (int n = 1; n < 60; ++n) {
        const error ours{static_cast<errc>(n)};
        CHECK(ended_state(p::established, close_reason::reset, ours) == s::reset_established);
        CHECK(ended_state(p::established, close_reason::timed_out, ours) == s::reset_by_timeout);
    }
    CHECK(ended_state(p::established, close_reason::timed_out, system_error(ETIMEDOUT)) ==
          s::unanswered_established);
    const error generic(boost::system::errc::make_error_code(boost::system::errc::timed_out));
    CHECK(ended_state(p::established, close_reason::timed_out, generic) == s::unanswered_established);
    CHECK(ended_state(p::established, close_reason::idle, error(errc::idle_timeout)) == s::reset_by_timeout);
    CHECK(ended_state(p::established, close_reason::eof, error()) == s::closed_passive);
    // What reason_of() files under "denied" is the peer's or the network's doing where the system said it.
    const error refused = system_error(ECONNREFUSED);
    CHECK(ended_state(p::established, reason_of(refused), refused) == s::reset_established);
}

TEST_CASE("what lives has the state of its phase, of who began it, and of its TLS") {
    const auto [phase, who, tls, detailed,
                simple] = GENERATE(table<connection_phase, opened_by, bool, detailed_state, simple_state>({
        {connection_phase::none, opened_by::us, false, s::never_opened, simple_state::closed},
        {connection_phase::address_resolution, opened_by::us, false, s::address_resolution,
         simple_state::address_resolution},
        {connection_phase::passive_opening, opened_by::peer, false, s::passive_opening,
         simple_state::passive_opening},
        {connection_phase::active_opening, opened_by::us, true, s::active_opening,
         simple_state::active_opening},
        {connection_phase::established, opened_by::peer, false, s::established_passive,
         simple_state::established},
        {connection_phase::established, opened_by::us, false, s::established_active,
         simple_state::established},
        {connection_phase::established, opened_by::us, true, s::established_tls, simple_state::established},
        {connection_phase::established, opened_by::peer, true, s::established_tls, simple_state::established},
        {connection_phase::passive_closing, opened_by::peer, false, s::passive_closing,
         simple_state::passive_closing},
        {connection_phase::active_closing, opened_by::us, true, s::active_closing,
         simple_state::active_closing},
    }));
    CHECK(to_string(live_state(phase, who, tls)) == to_string(detailed));
    CHECK(to_string(simplified(detailed)) == to_string(simple));
}

TEST_CASE("the kernel's numbers of a state, MacTCP's and the phase belong together") {
    struct known {
        int kernel;
        tcp_state state;
        const char* name;
        int mactcp;
        connection_phase phase;
    };
    using p = connection_phase;
    const known all[] = {
        {TCP_ESTABLISHED, tcp_state::established, "established", 8, p::established},
        {TCP_SYN_SENT, tcp_state::syn_sent, "syn_sent", 6, p::active_opening},
        {TCP_SYN_RECV, tcp_state::syn_received, "syn_received", 4, p::passive_opening},
        {TCP_FIN_WAIT1, tcp_state::fin_wait_1, "fin_wait_1", 10, p::active_closing},
        {TCP_FIN_WAIT2, tcp_state::fin_wait_2, "fin_wait_2", 12, p::active_closing},
        {TCP_TIME_WAIT, tcp_state::time_wait, "time_wait", 20, p::active_closing},
        {TCP_CLOSE, tcp_state::closed, "closed", 0, p::none},
        {TCP_CLOSE_WAIT, tcp_state::close_wait, "close_wait", 14, p::passive_closing},
        {TCP_LAST_ACK, tcp_state::last_ack, "last_ack", 18, p::passive_closing},
        {TCP_LISTEN, tcp_state::listen, "listen", 2, p::none},
        {TCP_CLOSING, tcp_state::closing, "closing", 16, p::active_closing},
    };
    std::set<int> different;
    for (const known& k : all) {
        INFO(k.name);
        CHECK(tcp_state_from_kernel(k.kernel) == k.state);
        CHECK(to_string(k.state) == k.name);
        CHECK(mactcp_state_number(k.state) == k.mactcp);
        CHECK(phase_of(k.state) == k.phase);
        different.insert(k.mactcp);
    }
    CHECK(different.size() == 11);
    CHECK(tcp_state_from_kernel(12) ==
          tcp_state::syn_received); // half of a handshake, as the kernel keeps it
    for (const int strange : {-1, 0, 13, 255}) CHECK(tcp_state_from_kernel(strange) == tcp_state::closed);
}

TEST_CASE("every reason terminates in MacTCP's number, once it is over, and four never occurs") {
    const auto number = [](close_reason why, int system) {
        const auto r = termination_of(why, system);
        return r ? static_cast<int>(*r) : 0;
    };
    for (const int n : numbers) {
        CHECK(number(close_reason::none, n) == 0);
        CHECK(number(close_reason::eof, n) == 7);
        CHECK(number(close_reason::closed_locally, n) == 7);
        CHECK(number(close_reason::timed_out, n) == 5);
        CHECK(number(close_reason::idle, n) == 5);
        CHECK(number(close_reason::aborted_locally, n) == 6);
        CHECK(number(close_reason::replaced, n) == 6);
        CHECK(number(close_reason::protocol_error, n) == 6);
        CHECK(number(close_reason::shutdown, n) == 6);
        for (const close_reason why : reasons) CHECK(number(why, n) != 4);
    }
    CHECK(number(close_reason::denied, 0) == 6);
    CHECK(number(close_reason::reset, 0) == 2);
    for (const close_reason why : {close_reason::reset, close_reason::denied}) {
        CHECK(number(why, ECONNRESET) == 2);
        CHECK(number(why, ECONNREFUSED) == 2);
        CHECK(number(why, EPIPE) == 2);
        CHECK(number(why, ETIMEDOUT) == 5);
        CHECK(number(why, EHOSTUNREACH) == 3);
        CHECK(number(why, ENETUNREACH) == 3);
        CHECK(number(why, ENOBUFS) == 8);
        CHECK(number(why, EMFILE) == 8);
    }
    CHECK(termination_of(close_reason::reset, system_error(ENETUNREACH)) ==
          termination_reason::network_failure);
    CHECK(termination_of(close_reason::reset, error(errc::torn_write)) == termination_reason::remote_abort);
}

TEST_CASE("a UDP connection is forgotten without a word, by command or by its limit") {
    for (const close_reason why : reasons) {
        const detailed_state expected = why == close_reason::none ? s::never_opened
                                        : why == close_reason::idle || why == close_reason::timed_out
                                            ? s::discarded_by_timeout
                                            : s::discarded_by_command;
        CHECK(to_string(ended_udp_state(why)) == to_string(expected));
    }
}

TEST_CASE("no two states have the same name, and each has one") {
    std::set<std::string_view> names;
    for (int i = 0; i < portunus::detailed_state_count; ++i) names.insert(to_string(static_cast<s>(i)));
    CHECK(names.size() == static_cast<std::size_t>(portunus::detailed_state_count));
    CHECK(names.count("unknown") == 0);
    CHECK(to_string(static_cast<s>(portunus::detailed_state_count)) == "unknown");
    for (const connection_phase p : phases) CHECK(to_string(p) != "unknown");
    for (int i = 2; i <= 8; ++i) CHECK(to_string(static_cast<termination_reason>(i)) != "unknown");
    CHECK(to_string(static_cast<tcp_state>(0)) == "unknown");
    CHECK(to_string(static_cast<connection_phase>(99)) == "unknown");
    CHECK(to_string(static_cast<termination_reason>(0)) == "unknown");
}
