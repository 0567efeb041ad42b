// SPDX-License-Identifier: BSL-1.0
// The language of the hub: a command in, an answer out. It knows nothing of sockets and framing.
#pragma once

#include "devices.hpp"
#include "scoreboard.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace hub {

struct answer {
    std::string text;     // "ok ..." or "error ...": each command has one answer
    bool hang_up = false; // after this one
};

class commands {
  public:
    commands(devices& house, const scoreboard& board) : house_(house), board_(board) {}

    /// Whom to tell "lamp = on" when somebody has changed something. Set before the first command; called on
    /// the thread of the command.
    void on_change(std::function<void(std::string_view)> tell) { tell_ = std::move(tell); }

    /// May be called from any thread.
    answer operator()(std::string_view command) const;

  private:
    devices& house_;
    const scoreboard& board_;
    std::function<void(std::string_view)> tell_;
};

} // namespace hub
