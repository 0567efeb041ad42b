// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_DISPATCH_TABLE_HPP
#define PORTUNUS_CHANNEL_DISPATCH_TABLE_HPP

#include <portunus/channel/detail/keyed_queues.hpp>
#include <portunus/channel/message.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <list>
#include <optional>
#include <utility>
#include <vector>

namespace portunus {

/// Which handler a message goes to: that for its service and data, else that for its service, else that for
/// its data, else that for everything. Row S-11.
///
///     dispatch_table<handler> table;
///     table.set(service_id::read_request, data_id(7), temperature);
///     table.set(service_id::read_request, any_data, everything_else_that_is_read);
///     if (handler* h = table.find(m.service, m.id)) ...
///
/// Looking up costs one to four probes of a hash table, allocates nothing, and skips the kinds that nobody
/// has set. Setting and erasing allocate and cost O(n). A pointer to a handler is good until that handler is
/// replaced or erased, whatever happens to others; a handler that may erase itself while it runs is held by
/// the caller (a shared_ptr, say). A value for one thread, or for several that only look up.
template <class Handler>
class dispatch_table {
  public:
    dispatch_table() = default;
    dispatch_table(dispatch_table&&) noexcept = default;
    dispatch_table& operator=(dispatch_table&&) noexcept = default;

    /// Registers a handler, in the place of the one that was registered with the same numbers. Returns
    /// whether there was one.
    bool set(std::optional<service_id> service, std::optional<data_id> id, Handler handler) {
        const entry wanted = entry_for(service, id);
        for (auto& each : handlers_) {
            if (!(each.first == wanted)) continue;
            each.second = std::move(handler);
            return true;
        }
        handlers_.emplace_back(wanted, std::move(handler));
        try {
            rebuild();
        } catch (...) {
            handlers_.pop_back();
            throw;
        }
        return false;
    }

    /// Returns whether there was one.
    bool erase(std::optional<service_id> service, std::optional<data_id> id) {
        const entry wanted = entry_for(service, id);
        for (auto at = handlers_.begin(); at != handlers_.end(); ++at) {
            if (!(at->first == wanted)) continue;
            handlers_.erase(at);
            rebuild();
            return true;
        }
        return false;
    }

    /// The handler of such a message, or null.
    Handler* find(service_id service, data_id id) noexcept {
        return const_cast<Handler*>(std::as_const(*this).find(service, id));
    }
    const Handler* find(service_id service, data_id id) const noexcept {
        if (index_.empty()) return nullptr;
        const std::uint64_t keys[4] = {detail::message_key(service, id),
                                       detail::message_key(service, data_id(0)),
                                       detail::message_key(service_id(0), id), 0};
        for (std::uint32_t kind = 0; kind < 4; ++kind) {
            if (counts_[kind] == 0) continue;
            if (const Handler* found = probe({kind, keys[kind]})) return found;
        }
        return nullptr;
    }

    std::size_t size() const noexcept { return handlers_.size(); }
    bool empty() const noexcept { return handlers_.empty(); }

  private:
    /// In the order of their priority: both numbers, the service, the data, none.
    struct entry {
        std::uint32_t kind = 0;
        std::uint64_t key = 0;
        friend bool operator==(const entry&, const entry&) = default;
    };
    struct place {
        entry what{};
        Handler* handler = nullptr; ///< null: free
    };

    static entry entry_for(std::optional<service_id> service, std::optional<data_id> id) noexcept {
        const std::uint32_t kind = (service ? 0U : 2U) + (id ? 0U : 1U);
        return {kind, detail::message_key(service.value_or(service_id(0)), id.value_or(data_id(0)))};
    }

    static std::size_t home_of(const entry& e) noexcept {
        return detail::scatter(e.key ^ std::uint64_t{e.kind} << 62);
    }

    const Handler* probe(const entry& wanted) const noexcept {
        const std::size_t mask = index_.size() - 1;
        for (std::size_t at = home_of(wanted) & mask; index_[at].handler; at = (at + 1) & mask)
            if (index_[at].what == wanted) return index_[at].handler;
        return nullptr;
    }

    /// Fails before it has changed anything, and only where the index has to grow.
    void rebuild() {
        std::size_t places = index_.empty() ? 8 : index_.size();
        while (places < handlers_.size() * 2) places *= 2;
        index_.reserve(places);
        index_.assign(places, place{});
        counts_ = {};
        for (auto& [what, handler] : handlers_) {
            std::size_t at = home_of(what) & (places - 1);
            while (index_[at].handler) at = (at + 1) & (places - 1);
            index_[at] = {what, &handler};
            ++counts_[what.kind];
        }
    }

    std::list<std::pair<entry, Handler>> handlers_;
    std::vector<place> index_; ///< at most half full; its size is a power of two
    std::array<std::uint32_t, 4> counts_{};
};

/// Every service, and every data, in the arguments of `dispatch_table`.
inline constexpr std::optional<service_id> any_service{};
inline constexpr std::optional<data_id> any_data{};

} // namespace portunus

#endif
