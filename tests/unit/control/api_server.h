#pragma once
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "control/source/cluster/api_client.h"

namespace sluice::control::cluster::testing {

struct Nobody : Credentials {
  boost::asio::awaitable<Answer> current(Instant) override { co_return Answer(Current{}); }
  void refused() override {}
};

// An API server that answers each request with what `says` makes of its first line and body.
struct ApiServer {
  struct Said {
    int status = 200;
    std::string body;
    bool goes_on = false;  // a watch: nothing follows, and it does not end
  };
  ApiServer(boost::asio::io_context& context, std::function<Said(const std::string&, const std::string&)> f)
      : says(std::move(f)), acceptor(context, {boost::asio::ip::address_v4::loopback(), 0}) {
    access.tls = false;
    access.host = "127.0.0.1";
    access.port = std::to_string(acceptor.local_endpoint().port());
    boost::asio::co_spawn(context, accept(), boost::asio::detached);
  }
  boost::asio::awaitable<void> accept() {
    for (;;) {
      auto socket = co_await acceptor.async_accept(boost::asio::use_awaitable);
      boost::asio::co_spawn(acceptor.get_executor(), answer(std::move(socket)), boost::asio::detached);
    }
  }
  boost::asio::awaitable<void> answer(boost::asio::ip::tcp::socket socket) {
    const auto token = boost::asio::as_tuple(boost::asio::use_awaitable);
    std::string in;
    for (;;) {
      const auto [error, size] =
          co_await boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(in), "\r\n\r\n", token);
      if (error) co_return;
      const std::string head = in.substr(0, size);
      in.erase(0, size);
      const auto at = head.find("Content-Length: ");
      const std::size_t length = at == std::string::npos ? 0 : std::stoul(head.substr(at + 16));
      if (in.size() < length) {
        const auto [cut, more] = co_await boost::asio::async_read(
            socket, boost::asio::dynamic_buffer(in), boost::asio::transfer_exactly(length - in.size()), token);
        if (cut) co_return;
      }
      const std::string body = in.substr(0, length);
      in.erase(0, length);
      const Said said = says(head.substr(0, head.find(" HTTP")), body);
      std::string out = "HTTP/1.1 " + std::to_string(said.status) + " Any\r\nContent-Type: application/json\r\n";
      if (said.goes_on) {
        std::ostringstream size_of_chunk;
        size_of_chunk << std::hex << said.body.size();
        out += "Transfer-Encoding: chunked\r\n\r\n" + size_of_chunk.str() + "\r\n" + said.body + "\r\n";
      } else {
        out += "Content-Length: " + std::to_string(said.body.size()) + "\r\n\r\n" + said.body;
      }
      const auto [failed, written] = co_await boost::asio::async_write(socket, boost::asio::buffer(out), token);
      if (failed) co_return;
    }
  }
  std::function<Said(const std::string&, const std::string&)> says;
  boost::asio::ip::tcp::acceptor acceptor;
  Access access;
};

}  // namespace sluice::control::cluster::testing
