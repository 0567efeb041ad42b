// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_PURE_HPP
#define PORTUNUS_SRC_PURE_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/framing/detail/impl/codec_text.ipp>
#include <portunus/framing/impl/inband_codec.ipp>
#include <portunus/framing/impl/length_prefix_codec.ipp>
#include <portunus/framing/impl/line_codec.ipp>
#include <portunus/policy/detail/impl/admission_state.ipp>
#include <portunus/policy/detail/impl/flat_address.ipp>
#include <portunus/policy/detail/impl/text.ipp>
#include <portunus/policy/impl/accept_policy.ipp>
#include <portunus/policy/impl/address_rule.ipp>
#include <portunus/policy/impl/interface_list.ipp>
#include <portunus/policy/impl/port_list.ipp>
#include <portunus/policy/impl/port_range.ipp>
#include <portunus/policy/impl/replace_policy.ipp>
#include <portunus/policy/impl/verdict.ipp>

#endif
