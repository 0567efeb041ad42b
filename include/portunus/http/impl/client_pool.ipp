// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_HTTP_IMPL_CLIENT_POOL_IPP
#define PORTUNUS_HTTP_IMPL_CLIENT_POOL_IPP

#include <portunus/http/impl/client_pool.hpp>

#include <portunus/core/detail/config.hpp>

#include <algorithm>

namespace portunus::http::detail {

PORTUNUS_DECL boost::asio::mutable_buffer client_connection::room() {
    if (begin == end) begin = end = 0;
    if (in.empty()) in.resize(first_room);
    if (end == in.size() && begin != 0) {
        std::copy(in.begin() + static_cast<std::ptrdiff_t>(begin),
                  in.begin() + static_cast<std::ptrdiff_t>(end), in.begin());
        end -= begin;
        begin = 0;
    }
    if (end == in.size()) in.resize(in.size() * 2); // the limits of the head bound it
    return boost::asio::buffer(in.data() + end, in.size() - end);
}

PORTUNUS_DECL bool client_connection::quiet() {
    if (begin != end || !stream.is_open()) return false;
    char byte = 0;
    const auto n = stream.try_read_some(boost::asio::buffer(&byte, 1));
    return !n && n.error() == errc::would_block;
}

PORTUNUS_DECL client_state::client_state(boost::asio::any_io_executor e, client_options o)
    : executor(std::move(e)), options(std::move(o)), time(deadline_service::of(executor)),
      idle_(time, this, [](void* self) { static_cast<client_state*>(self)->sweep(); }) {}

PORTUNUS_DECL result<bool> client_state::join_line(place_seeker& x) {
    x.granted_ = false;
    if (closed) return error(errc::canceled);
    const bool others = std::any_of(line_.begin(), line_.end(),
                                    [&](const place_seeker* other) { return other->key_ == x.key_; });
    if (!others && try_take(x)) return true;
    if (line_.size() >= options.max_waiting)
        return error(errc::queue_full, std::to_string(line_.size()) + " requests wait for a connection");
    line_.push_back(&x);
    x.in_line_ = true;
    return false;
}

PORTUNUS_DECL void client_state::leave_line(place_seeker& x) noexcept {
    if (!x.in_line_) return;
    line_.remove(&x);
    x.in_line_ = false;
}

PORTUNUS_DECL bool client_state::try_take(place_seeker& x) {
    const auto at = places_.try_emplace(x.key_).first;
    place& here = at->second;
    while (!here.resting.empty()) {
        auto connection = std::move(here.resting.back());
        here.resting.pop_back();
        --counts.resting;
        const bool good = connection->quiet();
        if (good && !x.fresh_) {
            x.connection_ = std::move(connection);
            x.place_key_ = x.key_;
            ++counts.in_use;
            return true;
        }
        if (!good) ++counts.stale;
        --here.open;
        --open_;
        if (x.fresh_) break; // one gives way, the others may be fine
    }
    if (here.open >= options.max_per_host) return false;
    if (open_ >= options.max_connections && !evict(here)) {
        if (here.open == 0) places_.erase(at);
        return false;
    }
    ++here.open;
    ++open_;
    ++counts.in_use;
    x.place_key_ = x.key_;
    return true;
}

PORTUNUS_DECL bool client_state::evict(const place& for_whom) {
    auto oldest = places_.end();
    for (auto i = places_.begin(); i != places_.end(); ++i) {
        if (i->second.resting.empty()) continue;
        if (oldest == places_.end() ||
            i->second.resting.front()->rests_since < oldest->second.resting.front()->rests_since)
            oldest = i;
    }
    if (oldest == places_.end()) return false;
    oldest->second.resting.erase(oldest->second.resting.begin());
    --counts.resting;
    --oldest->second.open;
    --open_;
    if (&oldest->second != &for_whom) drop(oldest);
    return true;
}

PORTUNUS_DECL void client_state::drop(places::iterator at) noexcept {
    if (at->second.open == 0) places_.erase(at);
}

PORTUNUS_DECL void client_state::give_back(place_seeker& x, bool keep) {
    auto connection = std::move(x.connection_);
    if (x.place_key_.empty()) return;
    const auto at = places_.find(x.place_key_);
    x.place_key_.clear();
    if (at == places_.end()) return;
    --counts.in_use;
    if (keep && connection && !closed && options.idle_limit > steady_clock::duration::zero()) {
        if (connection->in.size() > client_connection::first_room) connection->in = {};
        connection->begin = connection->end = 0;
        connection->rests_since = time.now();
        at->second.resting.push_back(std::move(connection));
        ++counts.resting;
        watch();
    } else {
        --at->second.open;
        --open_;
        drop(at);
    }
    serve_line();
}

PORTUNUS_DECL void client_state::serve_line() {
    for (auto i = line_.begin(); i != line_.end();) {
        place_seeker& x = **i;
        if (!closed && !try_take(x)) {
            ++i;
            continue;
        }
        i = line_.erase(i);
        x.in_line_ = false;
        x.granted_ = !closed;
        x.changed_.notify();
    }
}

PORTUNUS_DECL void client_state::watch() {
    if (!idle_.armed()) idle_.arm(options.idle_limit);
}

PORTUNUS_DECL void client_state::sweep() {
    const auto now = time.now();
    std::optional<steady_clock::time_point> next;
    for (auto i = places_.begin(); i != places_.end();) {
        auto& resting = i->second.resting;
        while (!resting.empty() && now - resting.front()->rests_since >= options.idle_limit) {
            resting.erase(resting.begin());
            --counts.resting;
            --i->second.open;
            --open_;
        }
        if (!resting.empty() && (!next || resting.front()->rests_since < *next))
            next = resting.front()->rests_since;
        i = i->second.open == 0 ? places_.erase(i) : std::next(i);
    }
    if (next) idle_.arm(*next + options.idle_limit - now);
    serve_line();
}

PORTUNUS_DECL void client_state::close_resting() {
    for (auto i = places_.begin(); i != places_.end();) {
        counts.resting -= i->second.resting.size();
        i->second.open -= i->second.resting.size();
        open_ -= i->second.resting.size();
        i->second.resting.clear();
        i = i->second.open == 0 ? places_.erase(i) : std::next(i);
    }
    idle_.disarm();
    if (!closed) serve_line();
}

PORTUNUS_DECL void client_state::shut() {
    closed = true;
    on_stop.reset();
    close_resting();
    intrusive_list<place_seeker> all;
    all.splice(running);
    while (place_seeker* x = all.pop_front()) x->fail(error(errc::canceled));
}

} // namespace portunus::http::detail

#endif
