/* The yardstick: what the same work costs with nothing around it. One thread, one level-triggered epoll set,
 * one big read an event, framing in the read buffer by memchr, one send a batch. Connections share the
 * buffers; what outlasts an event (the beginning of a frame, an answer that the kernel did not take) is kept
 * on the heap until it is done.
 *
 * Like every server here it does not send back what it read as it lies there: each frame is found, checked
 * and appended to the output by itself, as a server's own answers would be. Only `echo` knows no frames. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { max_frame = 64 * 1024, read_bytes = 64 * 1024, events_at_once = 256 };
/* What a parser that reads in blocks may look at behind the last byte. */
enum { padding = 64 };
/* The shortest request that is answered has 30 bytes, the answer fewer than 160. */
enum { out_bytes = 6 * (max_frame + read_bytes) };

struct kept {
    uint32_t begin, end;
    char bytes[];
};

struct connection {
    int fd;
    struct kept* input;  /* the beginning of a frame */
    struct kept* output; /* not taken by the kernel yet; while it is there nothing is read */
};

/* Handles the frames of `in`, appends answers to `out` (out_bytes at most); the bytes used, or -1. */
typedef ssize_t (*handler)(const char* in, size_t size, char* out, size_t* answered);

static char input[max_frame + read_bytes + padding];
static char output[out_bytes];
static int set;
static handler handle; /* NULL: echo */

static void die(const char* what) {
    perror(what);
    exit(1);
}

static ssize_t handle_lines(const char* in, size_t size, char* out, size_t* answered) {
    const char *frame = in, *scan = in, *end = in + size;
    char* to = out;
    const char* lf;
    while (scan < end && (lf = memchr(scan, '\n', (size_t)(end - scan)))) {
        scan = lf + 1;
        if (lf == frame || lf[-1] != '\r') continue; /* a lone line feed belongs to the line */
        size_t length = (size_t)(lf - 1 - frame);
        memcpy(to, frame, length);
        to += length;
        *to++ = '\r';
        *to++ = '\n';
        frame = scan;
    }
    *answered = (size_t)(to - out);
    return end - frame < max_frame ? frame - in : -1;
}

static ssize_t handle_length4(const char* in, size_t size, char* out, size_t* answered) {
    size_t used = 0;
    while (size - used >= 4) {
        uint32_t length;
        memcpy(&length, in + used, 4);
        length = ntohl(length);
        if (length > max_frame - 4) return -1;
        if (size - used - 4 < length) break;
        uint32_t prefix = htonl(length);
        memcpy(out + used, &prefix, 4);
        memcpy(out + used + 4, in + used + 4, length);
        used += 4 + length;
    }
    *answered = used;
    return (ssize_t)used;
}

/* The one answer, with the date of this second. */
static const char* http_answer(size_t* size) {
    static char text[160];
    static size_t length;
    static time_t of;
    time_t now = time(NULL);
    if (now != of) {
        char date[40];
        struct tm t;
        strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&now, &t));
        length = (size_t)snprintf(text, sizeof text,
                                  "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: text/plain\r\n"
                                  "Content-Length: 13\r\n\r\nHello, World!",
                                  date);
        of = now;
    }
    *size = length;
    return text;
}

static int is_field(const char* line, size_t length, const char* name, size_t name_length) {
    return length > name_length && line[name_length] == ':' && strncasecmp(line, name, name_length) == 0;
}

/* Reads request line and fields line by line, knows one method and one target, wants a Host, and takes no
 * bodies. */
static ssize_t handle_http(const char* in, size_t size, char* out, size_t* answered) {
    static const char wanted[] = "GET /hello HTTP/1.1";
    const char *head = in, *end = in + size, *line = in;
    char* to = out;
    int first = 1, host = 0;
    size_t answer_size;
    const char* answer = http_answer(&answer_size);
    const char* lf;
    while (line < end && (lf = memchr(line, '\n', (size_t)(end - line)))) {
        if (lf == line || lf[-1] != '\r') return -1;
        size_t length = (size_t)(lf - 1 - line);
        if (first) {
            if (length != sizeof wanted - 1 || memcmp(line, wanted, length) != 0) return -1;
            first = 0;
        } else if (length == 0) {
            if (!host) return -1;
            memcpy(to, answer, answer_size);
            to += answer_size;
            head = lf + 1;
            first = 1;
            host = 0;
        } else {
            const char* colon = memchr(line, ':', length);
            if (!colon || colon == line) return -1;
            if (is_field(line, length, "Host", 4)) host = 1;
            if (is_field(line, length, "Content-Length", 14) ||
                is_field(line, length, "Transfer-Encoding", 17) || is_field(line, length, "Connection", 10))
                return -1;
        }
        line = lf + 1;
    }
    *answered = (size_t)(to - out);
    return end - head < max_frame ? head - in : -1;
}

#ifdef BARE_EPOLL_MESSAGES
/* JSON is taken apart in a file of its own, message_loop.hpp and what includes it. */
ssize_t handle_messages(const char* in, size_t size, char* out, size_t* answered);
#endif

static struct kept* keep(const char* bytes, size_t size) {
    struct kept* k = malloc(sizeof *k + size);
    if (!k) die("malloc");
    k->begin = 0;
    k->end = (uint32_t)size;
    memcpy(k->bytes, bytes, size);
    return k;
}

static void watch(struct connection* c, int operation, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = c};
    if (epoll_ctl(set, operation, c->fd, &event) != 0) die("epoll_ctl");
}

static void drop(struct connection* c) {
    close(c->fd);
    free(c->input);
    free(c->output);
    free(c);
}

static void on_writable(struct connection* c) {
    struct kept* k = c->output;
    ssize_t n = send(c->fd, k->bytes + k->begin, k->end - k->begin, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) drop(c);
        return;
    }
    k->begin += (uint32_t)n;
    if (k->begin < k->end) return;
    free(k);
    c->output = NULL;
    watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

static void on_readable(struct connection* c) {
    size_t size = 0;
    if (c->input) {
        size = c->input->end;
        memcpy(input, c->input->bytes, size);
    }
    ssize_t n = recv(c->fd, input + size, read_bytes, 0);
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) drop(c);
        return;
    }
    size += (size_t)n;
    free(c->input);
    c->input = NULL;

    const char* answer = input;
    size_t answered = size;
    if (handle) {
        ssize_t used = handle(input, size, output, &answered);
        if (used < 0) {
            drop(c);
            return;
        }
        if ((size_t)used < size) c->input = keep(input + used, size - (size_t)used);
        answer = output;
        if (answered == 0) return;
    }
    n = send(c->fd, answer, answered, MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EINTR) {
            drop(c);
            return;
        }
        n = 0;
    }
    if ((size_t)n < answered) {
        c->output = keep(answer + n, answered - (size_t)n);
        watch(c, EPOLL_CTL_MOD, EPOLLOUT);
    }
}

static void on_connection(int listener) {
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
        die("accept4");
    }
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    struct connection* c = calloc(1, sizeof *c);
    if (!c) die("calloc");
    c->fd = fd;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
}

int main(int argc, char** argv) {
    if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "echo") == 0)
        handle = NULL;
    else if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "lines") == 0)
        handle = handle_lines;
    else if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "length4") == 0)
        handle = handle_length4;
    else if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "http") == 0)
        handle = handle_http;
#ifdef BARE_EPOLL_MESSAGES
    else if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "messages") == 0)
        handle = handle_messages;
#endif
    else {
        fprintf(stderr, "usage: %s --mode echo|lines|length4|http\n", argv[0]);
        return 2;
    }

    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct connection listener = {.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
    struct connection signals = {.fd = signalfd(-1, &ending, SFD_CLOEXEC)};
    if (listener.fd < 0 || signals.fd < 0 || bind(listener.fd, (struct sockaddr*)&address, length) != 0 ||
        listen(listener.fd, SOMAXCONN) != 0 ||
        getsockname(listener.fd, (struct sockaddr*)&address, &length) != 0)
        die("listen");
    set = epoll_create1(EPOLL_CLOEXEC);
    if (set < 0) die("epoll_create1");
    watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
    watch(&signals, EPOLL_CTL_ADD, EPOLLIN);
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    static struct epoll_event events[events_at_once];
    for (;;) {
        int n = epoll_wait(set, events, events_at_once, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        for (int i = 0; i < n; ++i) {
            struct connection* c = events[i].data.ptr;
            if (c == &signals) return 0;
            if (c == &listener)
                on_connection(listener.fd);
            else if (c->output)
                on_writable(c);
            else
                on_readable(c);
        }
    }
}
