// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_CHANNEL_WHITE_LIST_HPP
#define PORTUNUS_CHANNEL_WHITE_LIST_HPP

#include <portunus/channel/detail/keyed_queues.hpp>
#include <portunus/channel/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace portunus {

/// The messages that need no authentication. Row S-8.
///
/// The handshake and the exchange of the channel's name are on it from the start, and cannot be removed:
/// without the first nobody could ever authenticate. A value; looking up allocates nothing.
class white_list {
  public:
    white_list() {
        for (const service_id service : {service_id::auth_request, service_id::auth_response})
            for (const data_id id : {data_id::auth_seed, data_id::auth_key}) add(service, id);
        add(service_id::channel_name_request, data_id::channel_name);
        add(service_id::channel_name_response, data_id::channel_name);
        fixed_ = keys_;
    }

    white_list& add(service_id service, data_id id) {
        const std::uint64_t key = detail::message_key(service, id);
        const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
        if (at == keys_.end() || *at != key) keys_.insert(at, key);
        return *this;
    }

    /// Returns whether it was removed.
    bool remove(service_id service, data_id id) {
        const std::uint64_t key = detail::message_key(service, id);
        const auto at = std::lower_bound(keys_.begin(), keys_.end(), key);
        if (at == keys_.end() || *at != key) return false;
        if (std::binary_search(fixed_.begin(), fixed_.end(), key)) return false;
        keys_.erase(at);
        return true;
    }

    bool contains(service_id service, data_id id) const noexcept {
        return std::binary_search(keys_.begin(), keys_.end(), detail::message_key(service, id));
    }

    std::size_t size() const noexcept { return keys_.size(); }

  private:
    std::vector<std::uint64_t> keys_; // sorted
    std::vector<std::uint64_t> fixed_;
};

} // namespace portunus

#endif
