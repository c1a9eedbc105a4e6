// SPDX-License-Identifier: Apache-2.0
//
// The control protocol, which docs/control-socket.md describes. A request is one line of JSON with
// a "verb"; the reply is one line:
//   {"ok":true, ...}  or  {"ok":false,"error":{"code":"not_found","message":"..."}}
//
//   sa.add     sa, keys                        -> decision   (what `sa` does not say is as the
//                                                             tunnel's SA of that name has it; of
//                                                             no tunnel: this end is the gateway's)
//   sa.rekey   name, sa, keys, grace_ms        -> decision   (`sa` only needs what is new: its SPI)
//   sa.delete  name
//   sa.list                                    -> sas
//   explain    name                            -> decision, text
//   drops                                      -> drops, xfrm_stat, wire
//   status                                     -> who runs since when, with what, sas, drops,
//   xfrm_stat, wire stop                                       -> pid events     follow -> events;
//   with follow true, each later one is a
//                                                 line of its own: {"event":{...}}
#pragma once

#include <espalier/gateway.hpp>

#include "gateway/event_log.hpp"
#include "gateway/monitor.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>

namespace espalier {

struct ControlReply {
  std::string line;     // without the newline; or its beginning
  bool stop = false;    // the gateway shall end once the reply is sent
  bool follow = false;  // the client shall have each event from now on
  // Where the line is long: gives what comes next in it, and nothing at its end. To be called when
  // the loop has nothing else to do.
  std::function<std::optional<std::string>()> next{};
};

// Answers requests on a running gateway. It must outlive its replies. [control]
class ControlService {
 public:
  static constexpr std::size_t kSasAtOnce = 256;  // in one part of a reply
  // `config` is what the gateway follows now; its site is one of its sites.
  ControlService(SaControl& gateway, Monitor& monitor, SecretPool& secrets,
                 const GatewayConfig& config);

  // Never throws; whatever the line holds, the answer is a reply. Keys in the line are wiped.
  ControlReply answer(std::span<char> line) noexcept;

  // Keeps the event, and gives the line for those who follow.
  std::string note(GatewayEvent event);

 private:
  using Json = nlohmann::ordered_json;
  Result<Json> run(const std::string& verb, const nlohmann::json& request, SaKeys keys);
  Result<Json> add(const nlohmann::json& request, SaKeys keys);
  Result<Json> rekey(const nlohmann::json& request, SaKeys keys);
  Result<Json> remove(const nlohmann::json& request);
  Result<Json> explain(const nlohmann::json& request);
  Json status();
  Json drops() const;
  Result<Json> events(const nlohmann::json& request) const;
  ControlReply with_sas(const Json& reply);
  Result<GatewaySa> find(const nlohmann::json& request);

  SaControl& gateway_;
  Monitor& monitor_;
  SecretPool& secrets_;
  const GatewayConfig& config_;
  EventLog events_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace espalier
