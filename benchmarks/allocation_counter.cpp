// Counts the heap allocations of a program from outside: LD_PRELOAD this library and name a file in
// PORTUNUS_ALLOCATION_COUNTERS. The counters live in that file, mapped and shared, so that another process
// reads them while this one runs.
//
// It stands in front of malloc and its relatives, not of operator new: Asio takes its handlers' memory from
// aligned_alloc, and C libraries know no operator new. The real functions are called by glibc's own second
// names; dlsym(RTLD_NEXT) would itself allocate before it has found them.

#include "allocation_counter.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include <fcntl.h>
#include <malloc.h>
#include <sys/mman.h>
#include <unistd.h>

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);
}

namespace {

constexpr std::size_t header_bytes = 8;

// Until the file is there (the dynamic loader and other libraries allocate first), and where there is none.
constinit allocation_counters start{};
constinit std::atomic<allocation_counters*> current{&start};

void count_bytes(std::size_t taken, std::size_t given_back) {
    auto& c = *current.load(std::memory_order_acquire);
    const std::uint64_t change = taken - given_back; // may wrap, and so does the sum
    const std::uint64_t now = c.bytes_in_use.fetch_add(change, std::memory_order_relaxed) + change;
    if (now > c.bytes_peak.load(std::memory_order_relaxed))
        c.bytes_peak.store(now, std::memory_order_relaxed);
}

std::size_t bytes_of(void* memory) {
    return ::malloc_usable_size(memory) + header_bytes;
}

void* counted(void* memory) {
    if (memory) {
        current.load(std::memory_order_acquire)->allocations.fetch_add(1, std::memory_order_relaxed);
        count_bytes(bytes_of(memory), 0);
    }
    return memory;
}

__attribute__((constructor)) void map_counters() {
    const char* path = std::getenv(allocation_counters_variable);
    if (!path) return;
    const int file = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file < 0) return;
    void* memory = MAP_FAILED;
    if (::ftruncate(file, sizeof(allocation_counters)) == 0)
        memory = ::mmap(nullptr, sizeof(allocation_counters), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    ::close(file);
    if (memory == MAP_FAILED) return;
    auto& shared = *static_cast<allocation_counters*>(memory);
    // No other thread runs yet, so nothing is counted between copying and switching.
    shared.allocations.store(start.allocations.load());
    shared.frees.store(start.frees.load());
    shared.bytes_in_use.store(start.bytes_in_use.load());
    shared.bytes_peak.store(start.bytes_peak.load());
    current.store(&shared, std::memory_order_release);
    shared.magic.store(allocation_counters_magic);
}

} // namespace

extern "C" {

void* malloc(std::size_t size) {
    return counted(__libc_malloc(size));
}

void* calloc(std::size_t count, std::size_t size) {
    return counted(__libc_calloc(count, size));
}

void* realloc(void* memory, std::size_t size) {
    if (!memory) return malloc(size);
    const std::size_t before = bytes_of(memory);
    void* moved = __libc_realloc(memory, size);
    auto& c = *current.load(std::memory_order_acquire);
    if (moved) {
        c.allocations.fetch_add(1, std::memory_order_relaxed);
        c.frees.fetch_add(1, std::memory_order_relaxed);
        count_bytes(bytes_of(moved), before);
    } else if (size == 0) { // glibc frees then
        c.frees.fetch_add(1, std::memory_order_relaxed);
        count_bytes(0, before);
    }
    return moved;
}

void* aligned_alloc(std::size_t alignment, std::size_t size) {
    return counted(__libc_memalign(alignment, size));
}

void* memalign(std::size_t alignment, std::size_t size) {
    return counted(__libc_memalign(alignment, size));
}

void* valloc(std::size_t size) {
    return memalign(static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)), size);
}

void* pvalloc(std::size_t size) {
    const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    return memalign(page, (size + page - 1) / page * page);
}

int posix_memalign(void** memory, std::size_t alignment, std::size_t size) {
    if (alignment % sizeof(void*) != 0 || alignment == 0 || (alignment & (alignment - 1)) != 0) return EINVAL;
    void* got = counted(__libc_memalign(alignment, size));
    if (!got) return ENOMEM;
    *memory = got;
    return 0;
}

void free(void* memory) {
    if (!memory) return;
    current.load(std::memory_order_acquire)->frees.fetch_add(1, std::memory_order_relaxed);
    count_bytes(0, bytes_of(memory));
    __libc_free(memory);
}

} // extern "C"
