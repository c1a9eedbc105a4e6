// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/gateway.hpp>

#include "observe/text_table.hpp"

#include <nlohmann/json.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace espalier {

// A candidate that does not hold the SA, and why.
struct PassedOver {
  std::string backend;
  std::string device;
  std::string reason;  // stable text of Reason
  std::string sentence;

  friend bool operator==(const PassedOver&, const PassedOver&) = default;
};

// What people are shown of one SA: plain data, the same in the running gateway and, by way of JSON,
// in the command that asks for it.
struct SaReport {
  std::string name;
  std::string direction;
  std::uint32_t spi = 0;
  std::string transform;
  std::string mode;
  std::string encapsulation;
  std::string local;
  std::string peer;
  std::string backend;  // that holds it now
  std::string device;
  std::uint32_t worker = 0;
  std::uint64_t sequence = 0;
  std::uint64_t packets = 0;
  std::uint64_t bytes = 0;
  std::uint64_t errors = 0;
  std::uint64_t moves = 0;
  bool expired = false;                    // its hard lifetime is over
  std::uint64_t bits_per_second = 0;       // of inner packets, measured over the last interval
  std::uint64_t peak_bits_per_second = 0;  // of the busiest interval
  std::optional<std::uint64_t> peer_silent_seconds;  // it is sent packets and none comes
  std::string driver;          // of the kernel, that it was steered to; "" if it was not
  std::string driver_unknown;  // why it is not known that it has it; "": it is inferred
  std::string note;            // why it is not where the policy wants it, or ""
  std::vector<PassedOver> others;

  friend bool operator==(const SaReport&, const SaReport&) = default;
};

SaReport make_report(const GatewaySa& sa);

nlohmann::ordered_json to_json(const SaReport& report);
// Throws nlohmann's exceptions for what is not a report.
SaReport sa_report_from_json(const nlohmann::ordered_json& value);

// One line an SA: where it is, what it carried, why not elsewhere.
std::string render_sas(std::span<const SaReport> reports, const TextStyle& style);

// "qat: device.absent; openssl/cpu: not_needed"
std::string summary(std::span<const PassedOver> others);
// Every candidate of the decision but the one on `backend` and `device`.
std::vector<PassedOver> passed_over(const Decision& decision, std::string_view backend,
                                    std::string_view device);

}  // namespace espalier
