// SPDX-License-Identifier: BSL-1.0
// The yardstick of the relays: TCP connections joined by splice(2) through a pipe for each direction, with
// level-triggered epoll and nothing else. No limits, no counters.
//
//     bare_splice --target PORT       listens on 127.0.0.1, port 0, and says "port N"

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { pipe_bytes = 1 << 20, events_at_once = 64 };

struct relay;

/* One connection, and what flows from it to its peer. */
struct side {
    int fd;
    int in, out; /* the pipe's ends */
    size_t filled;
    int ended;
    uint32_t watched;
    struct side* peer;
    struct relay* whole;
};

struct relay {
    struct side sides[2];
};

static int set = -1;

static void die(const char* what) {
    perror(what);
    exit(1);
}

static void drop(struct relay* r) {
    for (int i = 0; i < 2; ++i) {
        close(r->sides[i].fd);
        close(r->sides[i].in);
        close(r->sides[i].out);
    }
    free(r); /* no event of it may be left in the same batch: see main */
}

static void watch(struct side* s, uint32_t events) {
    if (s->watched == events) return;
    struct epoll_event event = {.events = events, .data.ptr = s};
    if (epoll_ctl(set, EPOLL_CTL_MOD, s->fd, &event) != 0) die("epoll_ctl");
    s->watched = events;
}

/* Moves what can be moved from `s` to its peer. 0 when the connection is broken. */
static int carry(struct side* s) {
    for (;;) {
        if (s->filled == 0 && !s->ended) {
            ssize_t n = splice(s->fd, NULL, s->in, NULL, pipe_bytes, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
            if (n < 0) return errno == EAGAIN || errno == EINTR;
            if (n == 0) {
                s->ended = 1;
                shutdown(s->peer->fd, SHUT_WR);
                return 1;
            }
            s->filled = (size_t)n;
        }
        if (s->filled == 0) return 1;
        ssize_t n = splice(s->out, NULL, s->peer->fd, NULL, s->filled, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        s->filled -= (size_t)n;
    }
}

/* 0 when the relay is over. */
static int go_on(struct relay* r) {
    struct side *a = &r->sides[0], *b = &r->sides[1];
    if (!carry(a) || !carry(b) || (a->ended && b->ended)) return 0;
    for (int i = 0; i < 2; ++i) {
        struct side* s = &r->sides[i];
        const uint32_t input = s->ended || s->filled ? 0 : EPOLLIN;
        watch(s, input | (s->peer->filled ? (uint32_t)EPOLLOUT : 0));
    }
    return 1;
}

static void on_connection(int listener, const struct sockaddr_in* target) {
    const int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    const int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (to < 0 || connect(to, (const struct sockaddr*)target, sizeof *target) != 0) die("connect");
    fcntl(to, F_SETFL, O_NONBLOCK);
    struct relay* r = calloc(1, sizeof *r);
    if (!r) die("calloc");
    const int on = 1, descriptors[2] = {fd, to};
    for (int i = 0; i < 2; ++i) {
        struct side* s = &r->sides[i];
        int ends[2];
        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) die("pipe2");
        fcntl(ends[1], F_SETPIPE_SZ, pipe_bytes);
        *s = (struct side){.fd = descriptors[i],
                           .out = ends[0],
                           .in = ends[1],
                           .watched = EPOLLIN,
                           .peer = &r->sides[1 - i],
                           .whole = r};
        setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = s};
        if (epoll_ctl(set, EPOLL_CTL_ADD, s->fd, &event) != 0) die("epoll_ctl");
    }
}

int main(int argc, char** argv) {
    struct sockaddr_in target = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (argc != 3 || strcmp(argv[1], "--target") != 0) {
        fprintf(stderr, "usage: %s --target PORT\n", argv[0]);
        return 2;
    }
    target.sin_port = htons((uint16_t)atoi(argv[2]));
    signal(SIGPIPE, SIG_IGN);
    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    const int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    if (listener < 0 || signals < 0 || bind(listener, (struct sockaddr*)&address, length) != 0 ||
        listen(listener, SOMAXCONN) != 0 || getsockname(listener, (struct sockaddr*)&address, &length) != 0)
        die("listen");
    set = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    struct epoll_event ends = {.events = EPOLLIN, .data.ptr = &ending};
    if (set < 0 || epoll_ctl(set, EPOLL_CTL_ADD, listener, &event) != 0 ||
        epoll_ctl(set, EPOLL_CTL_ADD, signals, &ends) != 0)
        die("epoll");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    static struct epoll_event events[events_at_once];
    for (;;) {
        int n = epoll_wait(set, events, events_at_once, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; ++i) {
            if (events[i].data.ptr == &ending) return 0;
            if (!events[i].data.ptr) {
                on_connection(listener, &target);
                continue;
            }
            struct relay* r = ((struct side*)events[i].data.ptr)->whole;
            if (go_on(r)) continue;
            for (int j = i + 1; j < n; ++j) /* its other side may have an event, too */
                if (events[j].data.ptr == &r->sides[0] || events[j].data.ptr == &r->sides[1]) {
                    events[j] = events[--n];
                    break;
                }
            drop(r);
        }
    }
}
