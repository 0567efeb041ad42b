// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_NAMES_HPP
#define PORTUNUS_SRC_NAMES_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/net/detail/impl/dns_message.ipp>
#include <portunus/net/detail/impl/mdns_asker.ipp>
#include <portunus/net/detail/impl/mdns_browser.ipp>
#include <portunus/net/detail/impl/mdns_question.ipp>
#include <portunus/net/detail/impl/mdns_responder.ipp>
#include <portunus/net/impl/mdns_announcer.ipp>
#include <portunus/net/impl/mdns_browse.ipp>
#include <portunus/net/impl/mdns_resolve.ipp>
#include <portunus/net/impl/peer_name.ipp>

#endif
