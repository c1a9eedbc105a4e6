// SPDX-License-Identifier: Apache-2.0
//
// The control protocol. A request is one line of JSON with a "verb"; the reply is one line:
//   {"ok":true, ...}  or  {"ok":false,"error":{"code":"not_found","message":"..."}}
//
//   sa.add     sa, keys                        -> decision
//   sa.rekey   name, sa, keys, grace_ms        -> decision   (`sa` only needs what is new: its SPI)
//   sa.delete  name
//   sa.list                                    -> sas
//   explain    name                            -> decision, text
//   drops                                      -> drops, wire
//   status                                     -> who runs since when, with what, sas, drops, wire
//   stop
#pragma once

#include <espalier/gateway.hpp>

#include "gateway/monitor.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <functional>
#include <span>
#include <string>

namespace espalier {

struct ControlReply {
  std::string line;   // without the newline
  bool stop = false;  // the gateway shall end once the reply is sent
};

// Answers requests on a running gateway. [control]
class ControlService {
 public:
  struct Identity {
    std::string site;
    std::string config;  // the file
    Dataplane dataplane = Dataplane::userspace;
    std::uint32_t workers = 1;
  };

  ControlService(Gateway& gateway, Monitor& monitor, SecretPool& secrets, Identity identity);

  // Never throws; whatever the line holds, the answer is a reply. Keys in the line are wiped.
  ControlReply answer(std::span<char> line) noexcept;

 private:
  using Json = nlohmann::ordered_json;
  Result<Json> run(const std::string& verb, const nlohmann::json& request, SaKeys keys);
  Result<Json> add(const nlohmann::json& request, SaKeys keys);
  Result<Json> rekey(const nlohmann::json& request, SaKeys keys);
  Result<Json> remove(const nlohmann::json& request);
  Result<Json> explain(const nlohmann::json& request);
  Json status();
  Result<GatewaySa> find(const nlohmann::json& request);

  Gateway& gateway_;
  Monitor& monitor_;
  SecretPool& secrets_;
  Identity identity_;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
};

}  // namespace espalier
