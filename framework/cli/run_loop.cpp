// SPDX-License-Identifier: Apache-2.0
#include "run_loop.hpp"

#include "model/sentence.hpp"

#include <espalier/abi.h>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <csignal>
#include <memory>
#include <utility>

namespace espalier::cli {

Log make_log() {
  const auto logger = std::make_shared<spdlog::logger>(
      "espalier", std::make_shared<spdlog::sinks::stderr_sink_mt>());
  logger->set_pattern("%n: %l: %v");
  return [logger](int level, std::string_view text) {
    constexpr spdlog::level::level_enum levels[] = {spdlog::level::debug, spdlog::level::info,
                                                    spdlog::level::warn, spdlog::level::err};
    logger->log(level >= 0 && level < 4 ? levels[level] : spdlog::level::err, "{}",
                as_sentence(text));
  };
}

namespace {

constexpr int kLookShare = 50;

}  // namespace

RunSignals::RunSignals(boost::asio::io_context& loop)
    : loop_(loop), signals_(loop, SIGTERM, SIGINT, SIGHUP) {
  wait();
}

void RunSignals::wait() {
  signals_.async_wait([this](const auto& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      if (on_reload_)
        on_reload_();
      else
        reload_waits_ = true;
    } else {
      stopped_ = true;
      if (on_stop_) on_stop_();
    }
    wait();
  });
}

bool RunSignals::stopped() {
  loop_.poll();
  return stopped_;
}

void RunSignals::on_stop(std::function<void()> call) { on_stop_ = std::move(call); }

void RunSignals::on_reload(std::function<void()> call) {
  on_reload_ = std::move(call);
  if (on_reload_ && std::exchange(reload_waits_, false)) on_reload_();
}

RunLoop::RunLoop(boost::asio::io_context& loop, Gateway& gateway, Engine& engine, Monitor& monitor,
                 Log log)
    : loop_(loop),
      gateway_(gateway),
      monitor_(monitor),
      log_(std::move(log)),
      engine_(loop, engine.event_descriptor()),
      second_(loop) {}

RunLoop::~RunLoop() { engine_.release(); }

void RunLoop::run() {
  wait_for_engine();
  wait_for_second();
  loop_.restart();
  loop_.run();
}

void RunLoop::stop() { loop_.stop(); }

void RunLoop::wait_for_engine() {
  engine_.async_wait(boost::asio::posix::stream_descriptor::wait_read, [this](const auto& error) {
    if (error) return;
    tend();
    wait_for_engine();
  });
}

void RunLoop::wait_for_second() {
  second_.expires_after(std::chrono::seconds(1));
  second_.async_wait([this](const auto& error) {
    if (error) return;
    tend();
    task_();
    look();
    wait_for_second();
  });
}

void RunLoop::tend() {
  for (GatewayEvent& event : gateway_.tend()) tell_(std::move(event));  // logged already
}

void RunLoop::look() {
  using Clock = std::chrono::steady_clock;
  const auto start = Clock::now();
  if (start < next_look_) return;
  auto news = monitor_.sample(start);
  for (const std::string& warning : news.warnings) log_(ESPALIER_LOG_WARNING, warning);
  for (GatewayEvent& event : news.events) {
    log_(log_level(event.kind), event.text);
    tell_(std::move(event));
  }
  next_look_ = start + (Clock::now() - start) * kLookShare;
}

}  // namespace espalier::cli
