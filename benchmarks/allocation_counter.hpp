// What the allocation counter shares with those who read it, through a file mapped into memory.
#pragma once

#include <atomic>
#include <cstdint>

inline constexpr std::uint64_t allocation_counters_magic = 0x706f72742d616c31; // "port-al1"

// The environment variable that names the file.
inline constexpr const char* allocation_counters_variable = "PORTUNUS_ALLOCATION_COUNTERS";

// Five little-endian 64-bit numbers; run.py reads them by their position.
struct allocation_counters {
    std::atomic<std::uint64_t> magic;
    std::atomic<std::uint64_t> allocations; // calls that returned new memory; realloc is one
    std::atomic<std::uint64_t> frees;       // calls that gave memory back
    std::atomic<std::uint64_t>
        bytes_in_use; // malloc_usable_size plus the 8 bytes of malloc's own header, each
    std::atomic<std::uint64_t> bytes_peak;
};

static_assert(sizeof(allocation_counters) == 40);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
