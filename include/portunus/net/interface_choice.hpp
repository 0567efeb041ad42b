// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_NET_INTERFACE_CHOICE_HPP
#define PORTUNUS_NET_INTERFACE_CHOICE_HPP

#include <portunus/core/result.hpp>
#include <portunus/net/interface_name.hpp>
#include <portunus/net/interfaces.hpp>

#include <boost/asio/ip/address.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace portunus {

/// One interface of this machine, by its name, its number, or an address of ours that it has; or none, which
/// leaves the choice to the system. Whether there is such an interface is seen when it is used.
///
///     socket.join(group, "eth0");
///     socket.join(group, 2u);
///     socket.join(group, make_address("192.168.1.7"));
class interface_choice {
  public:
    /// The system chooses.
    interface_choice() noexcept = default;
    interface_choice(std::string_view name) : name_(name), kind_(kind::name) {}             // NOLINT
    interface_choice(const char* name) : interface_choice(std::string_view(name)) {}        // NOLINT
    interface_choice(const std::string& name) : interface_choice(std::string_view(name)) {} // NOLINT
    /// 0 leaves the choice to the system, as it does there.
    interface_choice(std::uint32_t index) noexcept // NOLINT
        : index_(index), kind_(index == 0 ? kind::any : kind::index) {}
    /// The unspecified address leaves the choice to the system.
    interface_choice(const boost::asio::ip::address& address) noexcept // NOLINT
        : address_(address), kind_(address.is_unspecified() ? kind::any : kind::address) {}

    bool any() const noexcept { return kind_ == kind::any; }

    /// Its number now, 0 where the system is to choose: `errc::no_such_interface`, whose detail names it.
    result<std::uint32_t> index() const {
        if (kind_ == kind::any) return std::uint32_t(0);
        const auto found = kind_ == kind::name    ? find_interface(name_.view())
                           : kind_ == kind::index ? find_interface(index_)
                                                  : find_interface(address_);
        if (found) return found->index;
        if (found.error() == errc::address_not_available)
            return error(errc::no_such_interface, "no interface has the address " + address_.to_string());
        return found.error();
    }

  private:
    enum class kind : std::uint8_t { any, name, index, address };

    boost::asio::ip::address address_{};
    interface_name name_{};
    std::uint32_t index_ = 0;
    kind kind_ = kind::any;
};
static_assert(std::is_trivially_destructible_v<interface_choice>);

} // namespace portunus

#endif
