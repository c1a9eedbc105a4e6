// SPDX-License-Identifier: Apache-2.0
#include "gateway/side_traffic.hpp"

#include "gateway/keepalive_watch.hpp"
#include "gateway/site_view.hpp"

#include <boost/asio/steady_timer.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <utility>

namespace espalier {

// Does something again and again until it is destroyed.
class SideTraffic::Beat {
 public:
  Beat(boost::asio::io_context& loop, std::chrono::milliseconds interval, std::function<void()> act)
      : timer_(loop, interval), interval_(interval), act_(std::move(act)) {
    wait();
  }

 private:
  void wait() {
    timer_.async_wait([this](const auto& error) {
      if (error) return;
      act_();
      // Not from now on, so that the rate is as asked; nor from long ago, after a pause.
      const auto now = std::chrono::steady_clock::now();
      timer_.expires_at(std::max(timer_.expiry() + interval_, now));
      wait();
    });
  }

  boost::asio::steady_timer timer_;
  std::chrono::milliseconds interval_;
  std::function<void()> act_;
};

SideTraffic::SideTraffic(boost::asio::io_context& loop, Gateway& gateway)
    : loop_(loop), gateway_(gateway) {}
SideTraffic::~SideTraffic() = default;

void SideTraffic::follow(const GatewayConfig& config) {
  beats_.clear();
  const auto beat = [this](std::chrono::milliseconds interval, std::function<void()> act) {
    beats_.push_back(std::make_unique<Beat>(loop_, interval, std::move(act)));
  };
  for (const TunnelConfig& tunnel : config.tunnels) {
    if (!is_own(tunnel, config)) continue;
    const std::string sa = tunnel.name + "/out";
    if (tunnel.dummies.interval > 0)
      beat(std::chrono::milliseconds(tunnel.dummies.interval),
           [this, sa, bytes = tunnel.dummies.bytes] {
             static_cast<void>(gateway_.send_dummy(sa, bytes));  // it may not be there yet
           });
    if (tunnel.keepalive > 0) {
      KeepaliveWatch watch{std::chrono::seconds(tunnel.keepalive)};
      beat(watch.tick(), [this, sa, watch]() mutable {
        const auto found = gateway_.find(sa);
        if (found && watch.due(found->status.sequence, std::chrono::steady_clock::now()))
          static_cast<void>(gateway_.send_keepalive(sa));
      });
    }
  }
}

}  // namespace espalier
