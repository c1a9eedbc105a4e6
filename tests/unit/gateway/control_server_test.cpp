// SPDX-License-Identifier: Apache-2.0
#include "gateway/control_server.hpp"

#include "gateway/control_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <boost/asio/post.hpp>

#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

namespace espalier {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

class Folder {
 public:
  Folder() {
    std::string name = fs::temp_directory_path() / "espalier-control-XXXXXX";
    if (::mkdtemp(name.data()) != nullptr) path_ = name;
  }
  ~Folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  fs::path operator/(const char* name) const { return path_ / name; }

 private:
  fs::path path_;
};

// ---- the file -----------------------------------------------------------------------------------

TEST(ControlSocketFile, IsForItsOwnerAloneAndVanishesWithTheGateway) {
  const Folder folder;
  const fs::path path = folder / "gateway.sock";
  {
    const auto socket = ControlSocket::listen(path);
    ASSERT_TRUE(socket) << socket.error().message;
    struct stat file{};
    ASSERT_EQ(::lstat(path.c_str(), &file), 0);
    EXPECT_TRUE(S_ISSOCK(file.st_mode));
    EXPECT_EQ(file.st_mode & 0777, 0600u);
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST(ControlSocketFile, IsNoFolderAndNoOtherFile) {
  const Folder folder;
  std::ofstream(folder / "file") << "text";
  for (const fs::path& path : {folder / "file", folder / "."}) {
    const auto connected = connect_control(path);
    ASSERT_FALSE(connected);
    EXPECT_EQ(connected.error().code, ErrorCode::invalid);
    EXPECT_THAT(connected.error().message, HasSubstr("' is no socket. "));
  }
}

// What is unread when a process is killed resets the connection.
TEST(ControlClient, SaysAtOnceThatTheGatewayEndedEvenIfItsConnectionWasReset) {
  const Folder folder;
  auto socket = ControlSocket::listen(folder / "gateway.sock");
  ASSERT_TRUE(socket) << socket.error().message;
  const io::Descriptor listener = socket->take_descriptor();
  std::thread gateway([&] {
    const io::Descriptor client(::accept(listener.get(), nullptr, nullptr));
    char byte = 0;
    ASSERT_EQ(::recv(client.get(), &byte, 1, MSG_PEEK), 1);
  });
  const auto reply = ask_gateway(folder / "gateway.sock", nlohmann::json{{"verb", "status"}});
  gateway.join();
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::lost);
  EXPECT_THAT(reply.error().message, HasSubstr("The gateway ended before it answered"));
}

TEST(ControlSocketFile, MakesItsFolder) {
  const Folder folder;
  EXPECT_TRUE(ControlSocket::listen(folder / "run/deep/gateway.sock"));
}

TEST(ControlSocketFile, TakesTheFoldersAlongThatWereMadeForIt) {
  const Folder folder;
  fs::create_directory(folder / "run");
  {
    const auto first = ControlSocket::listen(folder / "run/deep/er/first.sock");
    ASSERT_TRUE(first);
    EXPECT_FALSE(ControlSocket::listen(folder / "run/deep/er/first.sock")) << "it is served";
    EXPECT_TRUE(ControlSocket::listen(folder / "run/deep/er/second.sock"));
    EXPECT_TRUE(fs::exists(folder / "run/deep/er/first.sock")) << "they are another's";
  }
  EXPECT_FALSE(fs::exists(folder / "run/deep"));
  EXPECT_TRUE(fs::exists(folder / "run")) << "it was there before";
}

TEST(ControlSocketFile, ThatCannotBeMadeLeavesNoFolders) {
  const Folder folder;
  EXPECT_FALSE(ControlSocket::listen(folder / "run/deep/")) << "there is no name";
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(ControlSocketFile, OfALiveGatewayIsRefusedWithItsPid) {
  const Folder folder;
  const auto first = ControlSocket::listen(folder / "gateway.sock");
  ASSERT_TRUE(first) << first.error().message;
  const auto second = ControlSocket::listen(folder / "gateway.sock");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::conflict);
  EXPECT_THAT(second.error().message,
              HasSubstr("Espalier is already running: pid " + std::to_string(::getpid())));
  EXPECT_TRUE(fs::exists(folder / "gateway.sock")) << "the first one's file stays";
}

TEST(ControlSocketFile, OfADeadGatewayIsReplaced) {
  const Folder folder;
  const fs::path path = folder / "gateway.sock";
  const pid_t child = ::fork();
  if (child == 0) {
    const auto socket = ControlSocket::listen(path);
    ::_exit(socket ? 0 : 1);  // without destructors, as when killed
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  ASSERT_TRUE(fs::exists(path));
  const auto next = ControlSocket::listen(path);
  EXPECT_TRUE(next) << next.error().message;
}

TEST(ControlSocketFile, DoesNotRemoveWhatIsNoSocket) {
  const Folder folder;
  std::ofstream(folder / "gateway.sock") << "precious";
  const auto socket = ControlSocket::listen(folder / "gateway.sock");
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().message, HasSubstr("is no socket"));
  EXPECT_TRUE(fs::exists(folder / "gateway.sock"));
}

TEST(ControlSocketFile, LeavesTheFileOfASuccessorAlone) {
  const Folder folder;
  const fs::path path = folder / "gateway.sock";
  {
    const auto old = ControlSocket::listen(path);
    ASSERT_TRUE(old);
    fs::remove(path);
    std::ofstream(path) << "somebody else's";
  }
  EXPECT_TRUE(fs::exists(path));
}

TEST(ControlSocketFile, WithALongPathIsRefusedWithTheLimit) {
  const auto socket = ControlSocket::listen("/tmp/" + std::string(200, 'x'));
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().message, HasSubstr("must have 1 to 107 bytes"));
}

TEST(ControlSocketFile, ThatIsNotThereMeansThatNoGatewayRuns) {
  const Folder folder;
  const auto connected = connect_control(folder / "gateway.sock");
  ASSERT_FALSE(connected);
  EXPECT_EQ(connected.error().code, ErrorCode::not_found);
  EXPECT_THAT(connected.error().message, HasSubstr("No gateway is running"));
}

// ---- the conversation ---------------------------------------------------------------------------

// A server in a thread of its own; it answers with what `answer_` says.
class ControlServerTest : public testing::Test {
 protected:
  void SetUp() override {
    auto socket = ControlSocket::listen(path_);
    ASSERT_TRUE(socket) << socket.error().message;
    server_ = std::make_unique<ControlServer>(
        loop_, std::move(*socket),
        [this](std::span<char> line) { return answer_(std::string(line.data(), line.size())); },
        [this] { loop_.stop(); });
    thread_ = std::thread([this] { loop_.run(); });
  }
  void TearDown() override {
    loop_.stop();
    if (thread_.joinable()) thread_.join();
    server_.reset();
  }

  Result<nlohmann::ordered_json> ask(const std::string& line) const {
    return ask_gateway(path_, std::span<const char>(line));
  }
  io::Descriptor connect() const { return std::move(connect_control(path_).value()); }

  Folder folder_;
  fs::path path_ = folder_ / "gateway.sock";
  std::function<ControlReply(std::string)> answer_ = [](std::string line) {
    return ControlReply{nlohmann::json{{"ok", true}, {"line", line}}.dump()};
  };
  boost::asio::io_context loop_;
  std::unique_ptr<ControlServer> server_;
  std::thread thread_;
};

std::string read_all(int fd) {
  std::string text;
  std::array<char, 4096> part;
  for (ssize_t got; (got = ::read(fd, part.data(), part.size())) > 0;)
    text.append(part.data(), static_cast<std::size_t>(got));
  return text;
}

void write_all(int fd, const std::string& text) {
  std::size_t at = 0;
  while (at < text.size()) {
    const ssize_t sent = ::send(fd, text.data() + at, text.size() - at, MSG_NOSIGNAL);
    if (sent <= 0) return;
    at += static_cast<std::size_t>(sent);
  }
}

TEST_F(ControlServerTest, AnswersEachLineWithALine) {
  const auto reply = ask("hello");
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->at("line"), "hello");
}

// A socket that is served by nobody: its process is there, but stopped, say.
TEST(ControlClient, GivesUpOnAGatewayThatIsSilentAndNamesSocketAndProcess) {
  const Folder folder;
  const fs::path path = folder / "gateway.sock";
  auto silent = ControlSocket::listen(path);
  ASSERT_TRUE(silent) << silent.error().message;
  const auto reply = ask_gateway(path, std::string_view("hello"), std::chrono::milliseconds(200));
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error().code, ErrorCode::transient);
  EXPECT_EQ(reply.error().message,
            "The gateway at '" + path.native() + "' has not answered for 0.2 s (process " +
                std::to_string(::getpid()) + ": 'ps " + std::to_string(::getpid()) +
                "' shows whether it is stopped). It may still do later what was asked of it.");
}

TEST(ControlClient, GivesUpOnAGatewayThatAcceptsNobody) {
  const Folder folder;
  const fs::path path = folder / "gateway.sock";
  auto silent = ControlSocket::listen(path);
  ASSERT_TRUE(silent) << silent.error().message;
  std::vector<io::Descriptor> waiting;
  for (;;) {
    auto socket = connect_control(path, std::chrono::milliseconds(200));
    if (!socket) {
      EXPECT_EQ(socket.error().code, ErrorCode::transient);
      EXPECT_THAT(socket.error().message, HasSubstr("has not answered for 0.2 s"));
      EXPECT_THAT(socket.error().message, HasSubstr("fuser " + path.native()));
      return;
    }
    waiting.push_back(std::move(*socket));
    ASSERT_LT(waiting.size(), 1000u) << "a queue without end";
  }
}

TEST_F(ControlServerTest, AnswersSeveralRequestsInOrderHoweverTheyAreCut) {
  const auto socket = connect();
  write_all(socket.get(), "one\ntw");
  write_all(socket.get(), "o\nthree\n");
  ::shutdown(socket.get(), SHUT_WR);
  EXPECT_EQ(read_all(socket.get()),
            "{\"line\":\"one\",\"ok\":true}\n{\"line\":\"two\",\"ok\":true}\n"
            "{\"line\":\"three\",\"ok\":true}\n");
}

TEST_F(ControlServerTest, RefusesALineThatIsTooLongAndHangsUp) {
  const auto socket = connect();
  write_all(socket.get(), std::string(kMaxControlLine, 'x'));
  EXPECT_THAT(read_all(socket.get()), HasSubstr("longer than 65536 bytes"));
  EXPECT_TRUE(ask("next")) << "others are served as before";
}

TEST_F(ControlServerTest, TakesTheLongestLineThatIsAllowed) {
  const auto reply = ask(std::string(kMaxControlLine - 1, 'x'));
  ASSERT_TRUE(reply) << reply.error().message;
  EXPECT_EQ(reply->at("line").get<std::string>().size(), kMaxControlLine - 1);
}

TEST_F(ControlServerTest, SendsALongReplyInPartsAndServesOthersInBetween) {
  std::atomic<int> told{0};
  answer_ = [&](const std::string& line) -> ControlReply {
    if (line != "long") return {R"({"ok":true,"told":)" + std::to_string(told) + "}"};
    return {R"({"ok":true,"numbers":[0)", false, false, [&told]() -> std::optional<std::string> {
              if (told == 3000) return std::nullopt;
              std::string part = "," + std::to_string(++told) + std::string(1000, ' ');
              return told == 3000 ? part + "]}" : part;
            }};
  };
  const auto slow = connect();
  write_all(slow.get(), "long\nshort\n");  // and does not read yet
  while (told == 0) std::this_thread::yield();
  const auto other = ask("short");
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_LT(other->at("told"), 3000) << "it had to wait for the whole reply";
  ::shutdown(slow.get(), SHUT_WR);
  const std::string text = read_all(slow.get());
  const auto end = text.find('\n');
  const auto whole = nlohmann::ordered_json::parse(text.substr(0, end));
  EXPECT_EQ(whole.at("numbers").size(), 3001u);
  EXPECT_EQ(text.substr(end + 1), "{\"ok\":true,\"told\":3000}\n");
}

TEST_F(ControlServerTest, TellsThoseWhoFollowAndNoOthers) {
  answer_ = [](const std::string& line) {
    return ControlReply{.line = R"({"ok":true})", .follow = line == "follow"};
  };
  const auto follower = connect(), other = connect();
  write_all(follower.get(), "follow\n");
  write_all(other.get(), "stay\n");
  std::array<char, 12> reply;
  for (const auto* client : {&follower, &other}) {
    ASSERT_EQ(::recv(client->get(), reply.data(), reply.size(), MSG_WAITALL), 12);
  }
  for (int i = 0; i < 3; ++i) {
    boost::asio::post(loop_,
                      [this, i] { server_->publish("{\"event\":" + std::to_string(i) + "}"); });
  }
  std::array<char, 36> told;
  ASSERT_EQ(::recv(follower.get(), told.data(), told.size(), MSG_WAITALL), 36);
  EXPECT_EQ(std::string(told.data(), told.size()), "{\"event\":0}\n{\"event\":1}\n{\"event\":2}\n");
  EXPECT_EQ(::recv(other.get(), told.data(), told.size(), MSG_DONTWAIT), -1);
}

TEST_F(ControlServerTest, CutsOffAFollowerThatDoesNotRead) {
  answer_ = [](const std::string&) {
    return ControlReply{.line = R"({"ok":true})", .follow = true};
  };
  const auto follower = connect();
  write_all(follower.get(), "follow\n");
  std::array<char, 12> reply;
  ASSERT_EQ(::recv(follower.get(), reply.data(), reply.size(), MSG_WAITALL), 12);
  boost::asio::post(loop_, [this] {
    for (int i = 0; i < 5000; ++i) server_->publish(std::string(1000, 'x'));
  });
  const std::string text = read_all(follower.get());  // ends where it was cut off
  EXPECT_LT(text.size(), 5000u * 1001u);
}

TEST_F(ControlServerTest, SurvivesClientsThatLeaveInTheMiddle) {
  for (int i = 0; i < 50; ++i) {
    const auto socket = connect();
    write_all(socket.get(), i % 2 == 0 ? "half a line" : "a whole one\n");
  }
  EXPECT_TRUE(ask("still there?"));
}

TEST_F(ControlServerTest, TurnsAwayMoreClientsThanItServes) {
  std::vector<io::Descriptor> clients;
  for (std::size_t i = 0; i < ControlServer::kMaxClients; ++i) {
    clients.push_back(connect());
    write_all(clients.back().get(), "x\n");
    char first = 0;
    ASSERT_EQ(::read(clients.back().get(), &first, 1), 1);  // it is being served
  }
  const auto extra = connect();
  EXPECT_THAT(read_all(extra.get()), HasSubstr("Too many clients"));
  clients.clear();
  Result<nlohmann::ordered_json> reply;
  for (int attempt = 0; attempt < 1000 && !(reply = ask("room again?")); ++attempt)
    std::this_thread::yield();
  EXPECT_TRUE(reply) << "places are free once clients have left";
}

TEST_F(ControlServerTest, StopsOnlyOnceTheReplyIsSent) {
  answer_ = [](const std::string&) { return ControlReply{R"({"ok":true})", true}; };
  const auto reply = ask("stop");
  EXPECT_TRUE(reply) << reply.error().message;
  thread_.join();  // the loop has ended by itself
}

TEST_F(ControlServerTest, TurnsAwayOtherUsers) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can be another user";
  fs::permissions(path_, fs::perms::all);
  fs::permissions(path_.parent_path(), fs::perms::all);
  std::array<int, 2> pipe{};
  ASSERT_EQ(::pipe(pipe.data()), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::setresuid(65534, 65534, 65534) != 0) ::_exit(1);
    const auto socket = connect_control(path_);
    if (!socket) ::_exit(2);
    const std::string said = read_all(socket->get());
    [[maybe_unused]] const auto wrote = ::write(pipe[1], said.data(), said.size());
    ::_exit(0);
  }
  ::close(pipe[1]);
  const std::string said = read_all(pipe[0]);
  ::close(pipe[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(status, 0);
  EXPECT_THAT(said, HasSubstr("Only the gateway's own user and root may control it"));
}

TEST_F(ControlServerTest, ErrorsComeBackAsErrors) {
  answer_ = [](const std::string&) {
    return ControlReply{R"({"ok":false,"error":{"code":"capacity","message":"Full."}})"};
  };
  const auto reply = ask("x");
  ASSERT_FALSE(reply);
  EXPECT_EQ(reply.error(), (Error{ErrorCode::capacity, "Full."}));
}

TEST_F(ControlServerTest, AStrangerAtTheSocketIsNoticed) {
  answer_ = [](const std::string&) { return ControlReply{"HTTP/1.1 400 Bad Request"}; };
  const auto reply = ask("x");
  ASSERT_FALSE(reply);
  EXPECT_THAT(reply.error().message, HasSubstr("is no gateway of this version"));
}

}  // namespace
}  // namespace espalier
