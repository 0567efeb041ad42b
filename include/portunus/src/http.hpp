// SPDX-License-Identifier: BSL-1.0
// A part of <portunus/src.hpp>.
#ifndef PORTUNUS_SRC_HTTP_HPP
#define PORTUNUS_SRC_HTTP_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/http/detail/impl/server_body.ipp>
#include <portunus/http/detail/impl/server_session.ipp>
#include <portunus/http/impl/client.ipp>
#include <portunus/http/impl/client_answer.ipp>
#include <portunus/http/impl/client_download.ipp>
#include <portunus/http/impl/client_exchange.ipp>
#include <portunus/http/impl/client_options.ipp>
#include <portunus/http/impl/client_pool.ipp>
#include <portunus/http/impl/client_question.ipp>
#include <portunus/http/impl/client_request.ipp>
#include <portunus/http/impl/event_stream.ipp>
#include <portunus/http/impl/response.ipp>
#include <portunus/http/impl/server.ipp>
#include <portunus/http/impl/static_files.ipp>

#endif
