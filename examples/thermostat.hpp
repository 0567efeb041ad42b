// SPDX-License-Identifier: BSL-1.0
// What the thermostat and its clients agree on: the points and their types.
#ifndef PORTUNUS_EXAMPLES_THERMOSTAT_HPP
#define PORTUNUS_EXAMPLES_THERMOSTAT_HPP

#include <portunus/channel/points.hpp>

#include <boost/describe.hpp>

#include <string>

struct reading {
    std::string room;
    double celsius = 0;
    double wanted = 0;
};
BOOST_DESCRIBE_STRUCT(reading, (), (room, celsius, wanted))

inline constexpr portunus::read_of<reading> temperature(portunus::data_id(7));
inline constexpr portunus::write_of<double> set_point(portunus::data_id(7));

#endif
