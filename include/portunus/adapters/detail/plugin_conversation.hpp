// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_ADAPTERS_DETAIL_PLUGIN_CONVERSATION_HPP
#define PORTUNUS_ADAPTERS_DETAIL_PLUGIN_CONVERSATION_HPP

#include <portunus/adapters/detail/plugin_core.hpp>
#include <portunus/adapters/detail/plugin_io.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/policy/admission.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace portunus::detail {

/// The I/O side's part in a slot; when it goes, the plugin hears of the end, and the slot is free when it
/// has.
struct plugin_core::attachment {
    attachment(pointer c, connection_slot* s) : core(std::move(c)), slot(s) { ++core->attached_; }
    attachment(const attachment&) = delete;
    attachment& operator=(const attachment&) = delete;
    ~attachment() {
        if (io) io->detached = true;
        bool tell = false;
        {
            const std::lock_guard lock(slot->mutex);
            slot->io = nullptr;
            slot->io_gone = true;
            if (!slot->end) slot->end = connection_end{close_reason::shutdown, {}};
            tell = !slot->said_closed;
            if (slot->over || core->stopped_) core->connections.release(*slot);
        }
        --core->attached_;
        if (core->quiet_) core->quiet_->notify();
        if (tell) core->mail(*slot);
    }
    pointer core;
    connection_slot* slot;
    std::shared_ptr<plugin_stream> io;
    admission_ticket ticket; // its place behind the door
};

struct plugin_core::tcp_door {
    std::optional<tcp_listener> listener;
    listener_id id;
    any_codec framing{raw_codec()};
    steady_clock::duration idle_limit{};
};

} // namespace portunus::detail

#ifndef PORTUNUS_SEPARATE_COMPILATION
#include <portunus/adapters/detail/impl/plugin_conversation.ipp>
#endif

#endif
