// SPDX-License-Identifier: BSL-1.0
// Lines over TLS: a server that sends every line back, with a certificate that it makes by itself at its
// start, and a client that knows this certificate.
//
//     example_tls_echo serve                    on port 7443; writes its certificate to tls_echo.pem
//     example_tls_echo serve 0 mine.pem         on a free port; it says which
//     example_tls_echo ask localhost 7443 tls_echo.pem hello world
//
//     openssl s_client -quiet -connect localhost:7443 -CAfile tls_echo.pem -verify_return_error
//
// The key exists in memory alone and is gone with the server, so each start makes a new certificate. A server
// that stays has both in files: tls_certificate{pem_source::file("chain.pem"), pem_source::file("key.pem")},
// and calls reload() on its context when they were renewed.

#include <portunus/crypto/self_signed.hpp>
#include <portunus/net/connect.hpp>
#include <portunus/net/framed_stream.hpp>
#include <portunus/net/listen.hpp>
#include <portunus/net/tls_stream.hpp>

#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

using namespace portunus;
using namespace std::chrono_literals;

awaitable<void> echo_lines(tcp_stream peer, tls_server_context context) {
    const std::string who = to_string(peer.remote_endpoint());
    auto secure = co_await tls_accept(std::move(peer), context);
    if (!secure) { // a browser that does not trust us, a peer that speaks something else, ...
        std::cout << who << ": " << secure.error() << std::endl;
        co_return;
    }
    const tls_facts facts = secure->facts();
    std::cout << who << ": " << facts.version << ", " << facts.cipher << std::endl;
    framed_stream frames(std::move(*secure), line_codec{}); // from here on as without TLS
    while (auto batch = co_await frames.read_batch()) {
        for (std::string_view line : *batch)
            if (!frames.queue(line)) co_return;
        auto sent = co_await frames.flush();
        if (!sent) break;
    }
    auto closed = co_await frames.close(5s); // with a goodbye, so that the peer knows that nothing is missing
    if (!closed) std::cout << who << ": " << closed.error() << std::endl;
}

int serve(const std::string& port, const std::string& file) {
    const pem_pair pair = make_self_signed().value(); // for localhost, 127.0.0.1 and ::1
    std::ofstream(file) << pair.certificate;          // for clients to trust; the key stays here
    tls_server_options tls;
    tls.certificates.push_back(pair.as_certificate());
    const tls_server_context context(tls);

    runtime rt;
    listener_options door;
    door.ports = port_list(port);
    door.policy = accept_policy::deny_all().allow("127.0.0.0/8").allow("::1");
    const auto server =
        rt.listen(door, [context](tcp_stream peer) { return echo_lines(std::move(peer), context); });
    for (const auto& where : server.endpoints())
        std::cout << "listening on " << to_string(where) << std::endl;
    return rt.run_until_signal(10s);
}

awaitable<result<void>> ask(std::string host, std::uint16_t port, tls_client_context context,
                            std::vector<std::string> lines) {
    auto peer = co_await connect(host, port);
    if (!peer) co_return peer.error();
    auto secure = co_await tls_connect(std::move(*peer), context, host); // it has to be who we mean
    if (!secure) co_return secure.error();
    framed_stream frames(std::move(*secure), line_codec{});
    for (const std::string& line : lines) {
        auto sent = co_await frames.write(line);
        if (!sent) co_return sent;
        auto answer = co_await frames.read();
        if (!answer) co_return answer.error();
        std::cout << *answer << '\n';
    }
    co_return co_await frames.close(5s);
}

awaitable<void> report(awaitable<result<void>> conversation, int& status) {
    auto done = co_await std::move(conversation);
    if (done) co_return;
    std::cerr << done.error() << '\n';
    status = 1;
}

int main(int argc, char** argv) try {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    const auto argument = [&](std::size_t i, const char* otherwise) {
        return i < arguments.size() ? arguments[i] : std::string(otherwise);
    };
    if (argument(0, "") == "serve") return serve(argument(1, "7443"), argument(2, "tls_echo.pem"));
    if (argument(0, "") != "ask" || arguments.size() < 5) {
        std::cerr << "usage: " << argv[0] << " serve [<port> [<certificate>]]\n"
                  << "       " << argv[0] << " ask <host> <port> <certificate> <line>...\n";
        return 2;
    }
    tls_client_options tls;
    tls.trust.push_back(pem_source::file(arguments[3])); // this one certificate, and no authority
    const tls_client_context context(tls);
    int status = 0;
    runtime rt;
    rt.spawn(report(ask(arguments[1], port_range(arguments[2]).first(), context,
                        {arguments.begin() + 4, arguments.end()}),
                    status));
    rt.run();
    return status;
} catch (const failure& e) {
    std::cerr << e.what() << '\n';
    return 2;
}
