// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_DETAIL_MDNS_RESPONDER_HPP
#define PORTUNUS_NET_DETAIL_MDNS_RESPONDER_HPP

#include <portunus/core/deadline.hpp>
#include <portunus/net/detail/dns_message.hpp>
#include <portunus/net/detail/mdns_link.hpp>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/udp.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace portunus::detail {

/// A service as it is written into records.
struct mdns_registration {
    std::string instance;   // one label
    dns::name type;         // _portunus._tcp.local
    std::uint16_t port = 0; // where it listens
    std::string text;       // the strings of TXT, each behind its length
};

/// What a responder for multicast DNS decides (RFC 6762 6 to 10, RFC 6763): which names are ours, what is
/// answered, when and to whom. It has no socket and reads no clock.
///
/// A name that has to be ours alone (the host's, each service's) is a claim. On every link a claim is probed,
/// then announced, then it stands. Who else has it makes us take another one, on all links.
class mdns_responder {
  public:
    using endpoint = boost::asio::ip::udp::endpoint;

    static constexpr steady_clock::duration probe_gap = std::chrono::milliseconds(250);
    static constexpr steady_clock::duration announce_gap = std::chrono::seconds(1);
    static constexpr unsigned most_renames = 100;
    static constexpr std::uint32_t host_ttl = 120;   // RFC 6762 10
    static constexpr std::uint32_t other_ttl = 4500; // 75 minutes
    static constexpr std::uint32_t legacy_ttl = 10;
    static constexpr std::size_t most_bytes = 1440; // of what we send: a packet of Ethernet

    /// Where a message came from.
    struct source {
        std::uint32_t index = 0;
        bool v6 = false;
        endpoint sender{};
    };

    class output {
      public:
        virtual void send(const mdns_link& by, const std::optional<endpoint>& to, std::string_view bytes) = 0;
        /// `claim` 0: the host, n: service number n - 1.
        virtual void renamed(std::size_t claim, const std::string& before, const std::string& now) = 0;

      protected:
        ~output() = default;
    };

    /// `seed` of the delays that are left to chance.
    mdns_responder(std::string host, std::vector<mdns_registration> services, std::uint16_t port,
                   std::uint64_t seed);

    /// The links that there are now. A new one begins with probes, on one with other addresses than before
    /// the host is announced again. `own`: all addresses of this machine.
    void set_links(const std::vector<mdns_link>& links, std::vector<boost::asio::ip::address> own,
                   steady_point now);
    /// A message that came, of either kind.
    void take(const dns::message& m, const source& from, steady_point now, output& out);
    /// Does what is due.
    void run(steady_point now, output& out);
    /// When the next thing is due.
    std::optional<steady_point> next() const;
    /// Tells everybody that all of it is over (RFC 6762 10.1).
    void goodbye(output& out);

    /// Whether every claim was announced on every link, and there is one; or was given up.
    bool settled() const noexcept;
    std::size_t links() const noexcept { return places_.size(); }
    /// The name that claim number `n` has now, one label.
    const std::string& label(std::size_t n) const noexcept { return claims_[n].label; }
    dns::name host() const { return claims_[0].owner; }
    /// Too many others had each of its names.
    bool given_up(std::size_t n) const noexcept { return claims_[n].given_up; }
    std::uint64_t conflicts() const noexcept { return conflicts_; }

    /// "Study (2)", "hub-2", cut at a character so that it fits into a label.
    static std::string numbered(std::string_view base, unsigned number, bool host);

  private:
    struct claim_state {
        std::string base, label;
        dns::name owner;
        unsigned number = 1;
        bool given_up = false;
        bool slow = false;                   // there are too many conflicts
        std::vector<steady_point> conflicts; // of the last ten seconds, at most 15
    };
    enum class phase : std::uint8_t { probing, announcing, standing, off };
    struct standing_of {
        phase now = phase::probing;
        unsigned step = 0;
        steady_point due{};
        bool active() const noexcept { return now == phase::announcing || now == phase::standing; }
    };
    enum class kind : std::uint8_t { address, reverse, service, text, instance, type, denial };
    struct entry {
        dns::record record;
        kind what;
        std::size_t claim;
        std::optional<steady_point> last{}; // multicast
        std::optional<steady_point> due{};  // to be multicast
        std::optional<endpoint> asker{};    // the only one who asked, where his known answers may follow
    };
    struct place {
        mdns_link link;
        std::vector<standing_of> claims;
        std::vector<entry> entries;
        std::vector<dns::name> others; // reverse names of our addresses that somebody else answers for
    };
    using indices = std::vector<std::size_t>;

    place* find(const source& from) noexcept;
    void name_claim(std::size_t n);
    void rebuild(place& p) const;
    bool is_probed(const entry& e, std::size_t claim) const noexcept {
        return e.claim == claim &&
               (e.what == kind::address || e.what == kind::service || e.what == kind::text);
    }
    bool active(const place& p, const entry& e) const noexcept { return p.claims[e.claim].active(); }
    bool is_own(const dns::record_view& r, const std::string& data) const noexcept;

    void probe(const place& p, std::size_t claim, output& out) const;
    void take_response(place& p, const dns::message& m, steady_point now, output& out);
    void take_query(place& p, const dns::message& m, const source& from, steady_point now, output& out);
    void take_probes(place& p, const dns::message& m, steady_point now);
    /// Another responder of this machine, which calls it by another name, may answer for its addresses first.
    bool yield_reverse(place& p, const dns::record_view& r, bool probed);
    void take_more_known(place& p, const dns::message& m, const source& from);
    void conflict(place& p, std::size_t claim, steady_point now, output& out);
    void rename(std::size_t claim, output& out);
    void schedule(entry& e, steady_point when, steady_point now, bool defence);
    void multicast(place& p, const indices& which, steady_point now, bool more, output& out);
    void reply(place& p, const dns::message& m, const indices& which, const source& from, bool legacy,
               output& out);
    /// What whoever asks for `which` will ask for next.
    indices related(const place& p, const indices& which) const;

    std::uint64_t chance() noexcept;
    steady_clock::duration between(int from_ms, int to_ms) noexcept {
        return std::chrono::milliseconds(
            from_ms + static_cast<int>(chance() % static_cast<unsigned>(to_ms - from_ms + 1)));
    }

    std::vector<claim_state> claims_; // 0: the host
    std::vector<mdns_registration> services_;
    std::vector<place> places_;
    std::vector<boost::asio::ip::address> own_;
    std::uint16_t port_;
    std::uint64_t state_;
    std::uint64_t conflicts_ = 0;
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/net/detail/impl/mdns_responder.ipp>
#endif

#endif
