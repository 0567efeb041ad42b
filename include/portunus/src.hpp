// SPDX-License-Identifier: BSL-1.0
// The library as one translation unit: included by exactly one source file of a program that is compiled, as
// a whole, with PORTUNUS_SEPARATE_COMPILATION. With BOOST_ASIO_SEPARATE_COMPILATION it brings Boost.Asio too.
//
// Where make should use several cores, each part under src/ can be a translation unit of its own; CMake's
// target portunus::compiled does that.
#ifndef PORTUNUS_SRC_HPP
#define PORTUNUS_SRC_HPP

#include <portunus/core/detail/separate.hpp>

#include <portunus/src/adapters.hpp>
#include <portunus/src/asio.hpp>
#include <portunus/src/channel.hpp>
#include <portunus/src/connecting.hpp>
#include <portunus/src/core.hpp>
#include <portunus/src/datagrams.hpp>
#include <portunus/src/http.hpp>
#include <portunus/src/listening.hpp>
#include <portunus/src/machine.hpp>
#include <portunus/src/names.hpp>
#include <portunus/src/pure.hpp>
#include <portunus/src/streams.hpp>
#include <portunus/src/testing.hpp>
#include <portunus/src/websocket.hpp>

#endif
