// SPDX-License-Identifier: BSL-1.0
#include <portunus/adapters/detail/mailbox.hpp>

#include "support/catch.hpp"

#include <atomic>
#include <thread>

using portunus::detail::mail_source;
using portunus::detail::mailbox;

TEST_CASE("sources come out in the order of coming, each once until it has come out") {
    mail_source a(mail_source::kind::host), b(mail_source::kind::page);
    mailbox box;
    CHECK(box.push(a));
    CHECK_FALSE(box.push(b));
    CHECK_FALSE(box.push(a));
    CHECK(box.pop() == &a);
    CHECK_FALSE(box.push(a)); // again, behind b
    CHECK(box.pop() == &b);
    CHECK(box.pop() == &a);
    CHECK(box.pop() == nullptr);
}

TEST_CASE("a box that is held keeps what comes") {
    mail_source a(mail_source::kind::host);
    mailbox box;
    CHECK_FALSE(box.hold(true));
    CHECK_FALSE(box.push(a));
    CHECK(box.pop() == nullptr);
    CHECK(box.hold(false));
    CHECK(box.pop() == &a);
    CHECK_FALSE(box.hold(false));
}

TEST_CASE("who waits is woken by mail, by the end of holding, and by an interruption for good") {
    mail_source a(mail_source::kind::host);
    mailbox box;
    box.hold(true);
    std::atomic<int> got{0};
    std::thread consumer([&] {
        while (box.wait()) ++got;
        while (box.wait()) ++got; // does not wait any more
    });
    box.push(a);
    box.hold(false);
    while (got != 1) std::this_thread::yield();
    box.push(a);
    while (got != 2) std::this_thread::yield();
    box.interrupt();
    consumer.join();
    CHECK(got == 2);
}
