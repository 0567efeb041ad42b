/* The yardstick for datagrams: an echo with nothing around it. One thread, one level-triggered epoll set,
 * drained until the socket would block. `recvmsg`: a call a datagram, each way. `recvmmsg`: up to 64 of them
 * with a call each way. */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { at_once = 64, datagram_bytes = 65535 };

static char bytes[at_once][datagram_bytes];
static struct iovec pieces[at_once];
static struct sockaddr_in names[at_once];
static struct mmsghdr messages[at_once];

static void die(const char* what) {
    perror(what);
    exit(1);
}

static void prepare(int i) {
    pieces[i] = (struct iovec){bytes[i], datagram_bytes};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &names[i], .msg_namelen = sizeof names[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
}

static void drain_one_by_one(int fd) {
    for (;;) {
        prepare(0);
        struct msghdr* m = &messages[0].msg_hdr;
        ssize_t n = recvmsg(fd, m, MSG_DONTWAIT);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            die("recvmsg");
        }
        pieces[0].iov_len = (size_t)n;
        if (sendmsg(fd, m, 0) < 0) die("sendmsg");
    }
}

static void drain_batches(int fd) {
    for (;;) {
        for (int i = 0; i < at_once; ++i) prepare(i);
        int n = recvmmsg(fd, messages, at_once, MSG_DONTWAIT, NULL);
        if (n < 0) {
            if (errno == EAGAIN || errno == EINTR) return;
            die("recvmmsg");
        }
        for (int i = 0; i < n; ++i) pieces[i].iov_len = messages[i].msg_len;
        for (int sent = 0; sent < n;) {
            int now = sendmmsg(fd, messages + sent, (unsigned)(n - sent), 0);
            if (now < 0) die("sendmmsg");
            sent += now;
        }
    }
}

int main(int argc, char** argv) {
    void (*drain)(int) = NULL;
    if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "recvmsg") == 0)
        drain = drain_one_by_one;
    if (argc == 3 && strcmp(argv[1], "--mode") == 0 && strcmp(argv[2], "recvmmsg") == 0)
        drain = drain_batches;
    if (!drain) {
        fprintf(stderr, "usage: %s --mode recvmsg|recvmmsg\n", argv[0]);
        return 2;
    }

    sigset_t ending;
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    sigprocmask(SIG_BLOCK, &ending, NULL);

    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int signals = signalfd(-1, &ending, SFD_CLOEXEC);
    int set = epoll_create1(EPOLL_CLOEXEC);
    if (fd < 0 || signals < 0 || set < 0 || bind(fd, (struct sockaddr*)&address, length) != 0 ||
        getsockname(fd, (struct sockaddr*)&address, &length) != 0)
        die("socket");
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(set, EPOLL_CTL_ADD, fd, &event) != 0) die("epoll_ctl");
    event.data.fd = signals;
    if (epoll_ctl(set, EPOLL_CTL_ADD, signals, &event) != 0) die("epoll_ctl");
    printf("port %d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        int n = epoll_wait(set, &event, 1, -1);
        if (n < 0 && errno != EINTR) die("epoll_wait");
        if (n <= 0) continue;
        if (event.data.fd == signals) return 0;
        drain(fd);
    }
}
