/* SPDX-License-Identifier: BSL-1.0 */
/* A plugin in C: a line comes in, and goes out in capitals. Its argument is the port to listen on.
 *
 * It is a shared object, loaded by example_plugin_host, and includes one header of the library, which is
 * plain C. */

#include <portunus/adapters/plugin_abi.h>

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

struct shout {
    uint16_t port;
    portunus_host* host;
    const struct portunus_commands* commands;
};

static void started(void* state, portunus_host* host, const struct portunus_commands* commands) {
    struct shout* me = state;
    const struct portunus_framing lines = {PORTUNUS_LINES, 0, NULL};
    uint64_t listener = 0;
    uint16_t port = 0;
    char text[64];
    me->host = host;
    me->commands = commands;
    if (commands->listen_tcp(host, "127.0.0.1", me->port, &lines, &listener, &port) != PORTUNUS_OK) {
        commands->log(host, 3, "there is nothing to listen on");
        commands->stop(host);
        return;
    }
    snprintf(text, sizeof text, "shouting on port %u", (unsigned)port);
    commands->log(host, 2, text);
}

static void data(void* state, uint64_t connection, const char* line, size_t size) {
    struct shout* me = state;
    char* loud = malloc(size + 1);
    size_t i;
    if (!loud) return;
    for (i = 0; i < size; ++i) loud[i] = (char)toupper((unsigned char)line[i]);
    if (size == 3 && loud[0] == 'B' && loud[1] == 'Y' && loud[2] == 'E') {
        me->commands->write(me->host, connection, "GOOD BYE", 8);
        me->commands->disconnect(me->host, connection, 0);
    } else if (me->commands->write(me->host, connection, loud, size) == PORTUNUS_FULL) {
        me->commands->disconnect(me->host, connection, 1); /* it does not read what it asks for */
    }
    free(loud);
}

static void destroy(void* state) {
    free(state);
}

int portunus_plugin_entry(uint32_t abi, const char* arguments, struct portunus_plugin* plugin) {
    struct shout* me;
    if (abi != PORTUNUS_PLUGIN_ABI || plugin->size < sizeof *plugin) return 1;
    me = calloc(1, sizeof *me);
    if (!me) return 2;
    me->port = (uint16_t)atoi(arguments);
    plugin->name = "shout";
    plugin->state = me;
    plugin->started = started;
    plugin->data = data;
    plugin->destroy = destroy;
    return 0;
}
