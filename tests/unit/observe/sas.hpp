// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include <string>

namespace espalier::test {

inline Candidate candidate(std::string backend, std::string device, Reason reason,
                           std::string sentence) {
  Candidate made;
  made.backend = std::move(backend);
  made.device = std::move(device);
  made.reason = reason;
  made.sentence = std::move(sentence);
  return made;
}

// An SA of a gateway at 192.0.2.1 with a peer at 192.0.2.2, on aesni; qat was not there.
inline GatewaySa gateway_sa(std::string name, Direction direction) {
  GatewaySa sa;
  sa.spec.name = name;
  sa.spec.direction = direction;
  sa.spec.spi = 0x1001;
  sa.spec.local = {IpAddress::parse("192.0.2.1").value(), 4500};
  sa.spec.peer = {IpAddress::parse("192.0.2.2").value(), 4500};
  Decision decision;
  decision.sa = name;
  decision.candidates = {candidate("qat", "", Reason::device_absent, "is not there"),
                         candidate("aesni", "cpu", Reason::chosen, "is the first"),
                         candidate("openssl", "cpu", Reason::not_needed, "could, too")};
  decision.chosen = 1;
  sa.decision = std::make_shared<const Decision>(decision);
  sa.status.name = std::move(name);
  sa.status.direction = direction;
  sa.status.backend = "aesni";
  sa.status.device = "cpu";
  return sa;
}

}  // namespace espalier::test
