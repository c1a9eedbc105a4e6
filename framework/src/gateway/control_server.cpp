// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_server.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <deque>
#include <exception>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace espalier {
namespace {

namespace asio = boost::asio;
using Protocol = asio::local::stream_protocol;

constexpr std::size_t kMostUnread = 1024;               // lines that a follower may lag behind
constexpr std::chrono::milliseconds kAcceptPause{100};  // after an error, such as no descriptors

constexpr const char* kNotYou =
    R"({"ok":false,"error":{"code":"permission","message":"Only the gateway's own user and root may control it."}})";
constexpr const char* kTooMany =
    R"({"ok":false,"error":{"code":"capacity","message":"Too many clients are connected to the gateway. Try again."}})";
constexpr const char* kTooLong =
    R"({"ok":false,"error":{"code":"invalid","message":"The request is longer than 65536 bytes."}})";

bool may_control(int socket) {
  const auto peer = peer_credentials(socket);
  return peer && (peer->uid == 0 || peer->uid == ::geteuid());
}

}  // namespace

struct ControlServer::Impl : std::enable_shared_from_this<Impl> {
  class Client;

  Impl(asio::io_context& event_loop, ControlSocket control, Answer answers,
       std::function<void()> on_stop)
      : loop(event_loop),
        file(std::move(control)),
        answer(std::move(answers)),
        stop(std::move(on_stop)),
        acceptor(event_loop),
        pause(event_loop) {}

  void accept();
  void admit(Protocol::socket socket);

  asio::io_context& loop;
  ControlSocket file;
  Answer answer;
  std::function<void()> stop;
  Protocol::acceptor acceptor;
  asio::steady_timer pause;
  std::set<std::shared_ptr<Client>> clients;
  bool closed = false;
};

// One connection. Its buffer never moves, so that keys are in one place, and wiped there.
class ControlServer::Impl::Client : public std::enable_shared_from_this<Client> {
 public:
  Client(Impl& server, Protocol::socket socket)
      : server_(server), socket_(std::move(socket)), buffer_(kMaxControlLine) {}
  ~Client() { wipe(buffer_.data(), buffer_.size()); }

  void read() {
    socket_.async_read_some(asio::buffer(buffer_.data() + used_, buffer_.size() - used_),
                            [self = shared_from_this()](const auto& error, std::size_t got) {
                              if (self->gone_) return;
                              if (error) return self->leave();
                              self->used_ += got;
                              self->next_line();
                            });
  }

  // Sends one line and takes no more requests.
  void turn_away(const char* line) { write({line, false}, true); }

  void close() {
    gone_ = true;
    boost::system::error_code ignored;
    socket_.close(ignored);
  }

  // A line for a client that follows; others get none.
  void tell(const std::string& line) {
    if (!following_) return;
    if (unread_.size() == kMostUnread) return leave();
    unread_.push_back(line + '\n');
    if (unread_.size() == 1 && !replying_) write_unread();
  }

 private:
  // From now on it is only told, and read from to see it go.
  void follow() {
    replying_ = false;
    if (!unread_.empty()) write_unread();
    wait_for_end();
  }

  void wait_for_end() {
    socket_.async_read_some(asio::buffer(buffer_),
                            [self = shared_from_this()](const auto& error, std::size_t) {
                              if (self->gone_) return;
                              if (error) return self->leave();
                              self->wait_for_end();
                            });
  }

  void write_unread() {
    asio::async_write(socket_, asio::buffer(unread_.front()),
                      [self = shared_from_this()](const auto& error, std::size_t) {
                        if (self->gone_) return;
                        if (error) return self->leave();
                        self->unread_.pop_front();
                        if (!self->unread_.empty()) self->write_unread();
                      });
  }

  void next_line() {
    const auto end = buffer_.begin() + static_cast<std::ptrdiff_t>(used_);
    const auto newline = std::find(buffer_.begin(), end, '\n');
    if (newline == end) {
      if (used_ == buffer_.size()) return turn_away(kTooLong);
      return read();
    }
    const std::size_t length = static_cast<std::size_t>(newline - buffer_.begin());
    ControlReply reply = server_.answer({buffer_.data(), length});
    const std::size_t rest = used_ - length - 1;
    std::memmove(buffer_.data(), buffer_.data() + length + 1, rest);
    wipe(buffer_.data() + rest, used_ - rest);
    used_ = rest;
    following_ = replying_ = reply.follow;  // what happens from here on it shall see
    write(std::move(reply), false);
  }

  // Part for part, each when the one before is out: others have their turn in between.
  void write(ControlReply reply, bool last) {
    part_ = std::move(reply.line);
    if (!reply.next) part_ += '\n';
    asio::async_write(socket_, asio::buffer(part_),
                      [self = shared_from_this(), last, reply = std::move(reply)](
                          const auto& error, std::size_t) mutable {
                        if (reply.stop) self->server_.stop();
                        if (self->gone_) return;
                        if (error) return self->leave();
                        if (reply.next) return self->write_rest(std::move(reply), last);
                        if (last) return self->leave();
                        if (reply.follow) return self->follow();
                        self->next_line();
                      });
  }

  void write_rest(ControlReply reply, bool last) try {
    if (auto part = reply.next())
      reply.line = std::move(*part);
    else
      reply = {};
    write(std::move(reply), last);
  } catch (const std::exception&) {  // no memory: half a line tells the client that it is no reply
    leave();
  }

  void leave() {
    close();
    server_.clients.erase(shared_from_this());
  }

  Impl& server_;  // outlives its clients: it closes them, and what completes later only sees gone_
  Protocol::socket socket_;
  std::vector<char> buffer_;
  std::size_t used_ = 0;
  std::string part_;  // of a reply, on its way out
  std::deque<std::string> unread_;
  bool following_ = false;
  bool replying_ = false;  // to the request to follow
  bool gone_ = false;
};

void ControlServer::Impl::accept() {
  acceptor.async_accept([self = shared_from_this()](const auto& error, Protocol::socket socket) {
    if (self->closed) return;
    if (!error) {
      self->admit(std::move(socket));
      return self->accept();
    }
    self->pause.expires_after(kAcceptPause);
    self->pause.async_wait([self](const auto&) {
      if (!self->closed) self->accept();
    });
  });
}

void ControlServer::Impl::admit(Protocol::socket socket) {
  const int descriptor = socket.native_handle();
  const auto client = std::make_shared<Client>(*this, std::move(socket));
  const bool full = clients.size() >= kMaxClients;
  clients.insert(client);
  if (!may_control(descriptor)) return client->turn_away(kNotYou);
  if (full) return client->turn_away(kTooMany);
  client->read();
}

ControlServer::ControlServer(asio::io_context& loop, ControlSocket socket, Answer answer,
                             std::function<void()> stop)
    : impl_(std::make_shared<Impl>(loop, std::move(socket), std::move(answer), std::move(stop))) {
  impl_->acceptor.assign(Protocol(), impl_->file.take_descriptor().release());
  impl_->accept();
}

void ControlServer::publish(const std::string& line) {
  const auto clients = impl_->clients;  // one that is cut off leaves
  for (const auto& client : clients) client->tell(line);
}

ControlServer::~ControlServer() {
  impl_->closed = true;
  boost::system::error_code ignored;
  impl_->acceptor.close(ignored);
  impl_->pause.cancel();
  for (const auto& client : impl_->clients) client->close();
  impl_->clients.clear();
}

}  // namespace espalier
