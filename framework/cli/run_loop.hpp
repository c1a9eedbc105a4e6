// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/engine.hpp>
#include <espalier/gateway.hpp>

#include "gateway/control_server.hpp"
#include "gateway/monitor.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace espalier::cli {

using Log = std::function<void(int level, std::string_view text)>;
Log make_log();  // one sentence a line on stderr, with its level of the ABI

// The signals of a run. From its construction on SIGTERM and SIGINT only ask for the end, so that
// an interrupted start takes the same clean way out; SIGHUP asks for a reload. [control]
class RunSignals {
 public:
  explicit RunSignals(boost::asio::io_context& loop);

  bool stopped();                         // looks without waiting
  void on_stop(std::function<void()>);    // called at the first one from now on
  void on_reload(std::function<void()>);  // called at each one, and for one that came before

 private:
  void wait();

  boost::asio::io_context& loop_;
  boost::asio::signal_set signals_;
  std::function<void()> on_stop_;
  std::function<void()> on_reload_;
  bool stopped_ = false;
  bool reload_waits_ = false;
};

// The control thread's loop: tends the gateway when its engine has news and every second, and lets
// the monitor look at its SAs every second, or as often as that takes a fiftieth of the time. What
// else is to be looked after every second is given to it.
class RunLoop {
 public:
  RunLoop(boost::asio::io_context& loop, Gateway& gateway, Engine& engine, Monitor& monitor,
          Log log);
  ~RunLoop();

  void each_second(std::function<void()> task) { task_ = std::move(task); }
  void on_event(std::function<void(GatewayEvent)> tell) { tell_ = std::move(tell); }
  void run();  // until stop()
  void stop();

 private:
  void wait_for_engine();
  void wait_for_second();
  void look();
  void tend();

  boost::asio::io_context& loop_;
  Gateway& gateway_;
  Monitor& monitor_;
  Log log_;
  boost::asio::posix::stream_descriptor engine_;  // the engine's: not closed here
  boost::asio::steady_timer second_;
  std::chrono::steady_clock::time_point next_look_;
  std::function<void()> task_ = [] {};
  std::function<void(GatewayEvent)> tell_ = [](const GatewayEvent&) {};
};

}  // namespace espalier::cli
