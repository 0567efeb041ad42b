// SPDX-License-Identifier: BSL-1.0
#ifndef PORTUNUS_PORTUNUS_HPP
#define PORTUNUS_PORTUNUS_HPP

/// \file
/// Everything at once, for small programs and for trying things out. A program that cares for its compile
/// time includes the headers that it uses; nothing in one room pulls in what only another needs.

#include <portunus/version.hpp>

#include <portunus/core/awaitable.hpp>
#include <portunus/core/backoff.hpp>
#include <portunus/core/base64.hpp>
#include <portunus/core/close_reason.hpp>
#include <portunus/core/deadline.hpp>
#include <portunus/core/error.hpp>
#include <portunus/core/event_queue.hpp>
#include <portunus/core/logger.hpp>
#include <portunus/core/metrics.hpp>
#include <portunus/core/result.hpp>
#include <portunus/core/runtime.hpp>
#include <portunus/core/task_group.hpp>

#include <portunus/framing/any_codec.hpp>
#include <portunus/framing/codec.hpp>
#include <portunus/framing/crc32.hpp>
#include <portunus/framing/delimiter_codec.hpp>
#include <portunus/framing/escaped_codec.hpp>
#include <portunus/framing/fixed_codec.hpp>
#include <portunus/framing/frame_decoder.hpp>
#include <portunus/framing/inband_codec.hpp>
#include <portunus/framing/length_prefix_codec.hpp>
#include <portunus/framing/line_codec.hpp>
#include <portunus/framing/quiet_time_codec.hpp>
#include <portunus/framing/raw_codec.hpp>
#include <portunus/framing/tagged_length_codec.hpp>

#include <portunus/policy/accept_policy.hpp>
#include <portunus/policy/address_rule.hpp>
#include <portunus/policy/admission.hpp>
#include <portunus/policy/admission_options.hpp>
#include <portunus/policy/connection_attempt.hpp>
#include <portunus/policy/interface_list.hpp>
#include <portunus/policy/master_switch.hpp>
#include <portunus/policy/port_list.hpp>
#include <portunus/policy/port_range.hpp>
#include <portunus/policy/replace_policy.hpp>
#include <portunus/policy/verdict.hpp>

#include <portunus/net/accept_one.hpp>
#include <portunus/net/any_stream.hpp>
#include <portunus/net/byte_stream.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/connection_state.hpp>
#include <portunus/net/connector.hpp>
#include <portunus/net/datagram.hpp>
#include <portunus/net/discard_input.hpp>
#include <portunus/net/framed_connector.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/inherited_sockets.hpp>
#include <portunus/net/interface_change.hpp>
#include <portunus/net/interface_choice.hpp>
#include <portunus/net/interface_name.hpp>
#include <portunus/net/interface_watch.hpp>
#include <portunus/net/interfaces.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/mac_address.hpp>
#include <portunus/net/mdns_announcer.hpp>
#include <portunus/net/mdns_browse.hpp>
#include <portunus/net/mdns_resolve.hpp>
#include <portunus/net/mdns_service.hpp>
#include <portunus/net/neighbours.hpp>
#include <portunus/net/peer_info.hpp>
#include <portunus/net/peer_name.hpp>
#include <portunus/net/ping.hpp>
#include <portunus/net/proxy_protocol.hpp>
#include <portunus/net/relay.hpp>
#include <portunus/net/resolver.hpp>
#include <portunus/net/serial_stream.hpp>
#include <portunus/net/service_notify.hpp>
#include <portunus/net/session_keys.hpp>
#include <portunus/net/shared_datagram.hpp>
#include <portunus/net/status.hpp>
#include <portunus/net/tcp_listener.hpp>
#include <portunus/net/tcp_stream.hpp>
#include <portunus/net/udp_hub.hpp>
#include <portunus/net/udp_interest.hpp>
#include <portunus/net/udp_options.hpp>
#include <portunus/net/udp_peer.hpp>
#include <portunus/net/udp_socket.hpp>
#include <portunus/net/urgent.hpp>

#include <portunus/http/access_log.hpp>
#include <portunus/http/basic_auth.hpp>
#include <portunus/http/chunked.hpp>
#include <portunus/http/content_coding.hpp>
#include <portunus/http/cors.hpp>
#include <portunus/http/date.hpp>
#include <portunus/http/etag.hpp>
#include <portunus/http/event_broadcaster.hpp>
#include <portunus/http/event_stream.hpp>
#include <portunus/http/events.hpp>
#include <portunus/http/form.hpp>
#include <portunus/http/head.hpp>
#include <portunus/http/head_parser.hpp>
#include <portunus/http/list_elements.hpp>
#include <portunus/http/media_type.hpp>
#include <portunus/http/middleware.hpp>
#include <portunus/http/multipart.hpp>
#include <portunus/http/range.hpp>
#include <portunus/http/refusal.hpp>
#include <portunus/http/request.hpp>
#include <portunus/http/response.hpp>
#include <portunus/http/router.hpp>
#include <portunus/http/security_headers.hpp>
#include <portunus/http/server.hpp>
#include <portunus/http/static_files.hpp>
#include <portunus/http/streaming.hpp>
#include <portunus/http/url.hpp>
#include <portunus/http/vary.hpp>
#include <portunus/http/vocabulary.hpp>

#include <portunus/json/limits.hpp>
#include <portunus/json/raw.hpp>
#include <portunus/json/read.hpp>
#include <portunus/json/write.hpp>

#include <portunus/channel/auth_gate.hpp>
#include <portunus/channel/auth_state.hpp>
#include <portunus/channel/auth_step.hpp>
#include <portunus/channel/auth_throttle.hpp>
#include <portunus/channel/channel_name.hpp>
#include <portunus/channel/dispatch_table.hpp>
#include <portunus/channel/json_lines.hpp>
#include <portunus/channel/message.hpp>
#include <portunus/channel/message_codec.hpp>
#include <portunus/channel/ordered_handlers.hpp>
#include <portunus/channel/pending_requests.hpp>
#include <portunus/channel/points.hpp>
#include <portunus/channel/pure_json.hpp>
#include <portunus/channel/services.hpp>
#include <portunus/channel/struct_json.hpp>
#include <portunus/channel/unhandled_buffer.hpp>
#include <portunus/channel/white_list.hpp>

#endif
