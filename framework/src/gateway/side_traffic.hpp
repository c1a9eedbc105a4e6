// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>
#include <espalier/gateway.hpp>

#include <boost/asio/io_context.hpp>

#include <memory>
#include <vector>

namespace espalier {

// What a gateway sends by itself: dummies that hide when there is traffic (RFC 4303 2.6), and
// keepalives for a NAT of ours (RFC 3948 4), for the outbound SAs of tunnels that ask for them.
// [control]
class SideTraffic {
 public:
  SideTraffic(boost::asio::io_context& loop, Gateway& gateway);
  ~SideTraffic();

  // From now on what this configuration says.
  void follow(const GatewayConfig& config);

 private:
  class Beat;

  boost::asio::io_context& loop_;
  Gateway& gateway_;
  std::vector<std::unique_ptr<Beat>> beats_;
};

}  // namespace espalier
