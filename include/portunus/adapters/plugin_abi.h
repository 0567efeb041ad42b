/* SPDX-License-Identifier: BSL-1.0 */
/* What a plugin in a shared object and its host agree on: plain C, no allocation across the border, no
 * exceptions.
 *
 * The object exports `portunus_plugin_entry`. The host calls it once for each plugin; it fills in the events
 * that it wants and leaves the others null. Events come one at a time. What they are passed is valid until
 * they return; handles are numbers, and one of something that has gone gives PORTUNUS_STALE.
 *
 * Both tables begin with their size. They only ever grow at the end: whoever knows less uses less. A change
 * that is not like that is another PORTUNUS_PLUGIN_ABI. */
#ifndef PORTUNUS_ADAPTERS_PLUGIN_ABI_H
#define PORTUNUS_ADAPTERS_PLUGIN_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define PORTUNUS_PLUGIN_ABI 1u

#if defined(__GNUC__)
#define PORTUNUS_PLUGIN_EXPORT __attribute__((visibility("default")))
#else
#define PORTUNUS_PLUGIN_EXPORT
#endif

/* What commands return. */
enum portunus_status {
    PORTUNUS_OK = 0,
    PORTUNUS_STALE = 1,         /* the handle names nothing (any more) */
    PORTUNUS_FULL = 2,          /* a queue, or the table of handles: nothing was done */
    PORTUNUS_IN_USE = 3,        /* the port is */
    PORTUNUS_NOT_PERMITTED = 4, /* the port is privileged */
    PORTUNUS_INVALID = 5,       /* an argument */
    PORTUNUS_STOPPING = 6,      /* the plugin, or the program */
    PORTUNUS_FAILED = 7         /* the log says why */
};

/* How bytes are cut into messages. */
enum portunus_framing_kind {
    PORTUNUS_RAW = 0,       /* not at all */
    PORTUNUS_LINES = 1,     /* LF, CR LF or CR; messages are sent with CR LF */
    PORTUNUS_LF = 2,        /* LF */
    PORTUNUS_FIXED = 3,     /* `number` bytes */
    PORTUNUS_QUIET = 4,     /* silence for `number` milliseconds */
    PORTUNUS_TERMINATOR = 5 /* `text`, of `number` bytes */
};
struct portunus_framing {
    uint32_t kind;
    uint32_t number;
    const char* text;
};

/* The reasons why a connection ends, in the order of portunus::close_reason: 1 the peer closed, 2 reset, 3
 * timed out, 4 idle, 5 closed by us, 6 aborted by us, 7 replaced, 8 denied, 9 protocol error, 10 the plugin
 * or the program stops. */

typedef struct portunus_host portunus_host;

/* Commands: from any thread, also from inside of events. `host` is what `started` was given; both stay valid
 * until `destroy`. */
struct portunus_commands {
    size_t size;
    /* `address`: one of ours as text, null for all. Port 0 takes a free one; `real_port` may be null.
     * Everybody may come in: `connection` decides. */
    int (*listen_tcp)(portunus_host* host, const char* address, uint16_t port,
                      const struct portunus_framing* framing, uint64_t* listener, uint16_t* real_port);
    int (*listen_udp)(portunus_host* host, const char* address, uint16_t port, uint64_t* listener,
                      uint16_t* real_port);
    int (*stop_listening)(portunus_host* host, uint64_t listener);
    int (*connect)(portunus_host* host, const char* name, uint16_t port,
                   const struct portunus_framing* framing, uint64_t* connection);
    int (*write)(portunus_host* host, uint64_t connection, const char* data, size_t size);
    int (*write_raw)(portunus_host* host, uint64_t connection, const char* data, size_t size);
    int (*disconnect)(portunus_host* host, uint64_t connection, int at_once);
    int (*set_framing)(portunus_host* host, uint64_t connection, const struct portunus_framing* framing);
    int (*pause)(portunus_host* host, uint64_t connection, int on);
    int (*send)(portunus_host* host, uint64_t listener, const char* address, uint16_t port, const char* data,
                size_t size);
    int (*join)(portunus_host* host, uint64_t listener, const char* group);
    int (*leave)(portunus_host* host, uint64_t listener, const char* group);
    void (*set_tick)(portunus_host* host, uint32_t milliseconds);
    /* 0 debug, 1 info, 2 warning, 3 error */
    void (*log)(portunus_host* host, int level, const char* text);
    void (*stop)(portunus_host* host);
};

/* The events; `state` is the plugin's own. */
struct portunus_plugin {
    size_t size;      /* set by the host: what it knows */
    const char* name; /* for the log; copied */
    void* state;
    void (*started)(void* state, portunus_host* host, const struct portunus_commands* commands);
    /* Not 0 accepts. Null accepts everybody. */
    int (*connection)(void* state, uint64_t connection, uint64_t listener, const char* address,
                      uint16_t port);
    void (*connected)(void* state, uint64_t connection);
    void (*data)(void* state, uint64_t connection, const char* data, size_t size);
    void (*datagram)(void* state, uint64_t listener, const char* address, uint16_t port, const char* data,
                     size_t size);
    void (*closed)(void* state, uint64_t connection, int reason, int number, const char* text);
    void (*tick)(void* state);
    void (*stopping)(void* state);
    /* The last call of all, before the object is unloaded. */
    void (*destroy)(void* state);
};

/* `arguments` is what the host was told to pass. Returns 0, or anything else to refuse. */
typedef int (*portunus_plugin_entry_function)(uint32_t abi, const char* arguments,
                                              struct portunus_plugin* plugin);
PORTUNUS_PLUGIN_EXPORT int portunus_plugin_entry(uint32_t abi, const char* arguments,
                                                 struct portunus_plugin* plugin);

#ifdef __cplusplus
}
#endif

#endif
