// SPDX-License-Identifier: Apache-2.0
//
// What `espalier tune` looks at and sets: modules, which driver is first, and on which CPUs pcrypt
// works.
#pragma once

#include <espalier/result.hpp>
#include <espalier/transform.hpp>

#include "steer/kernel.hpp"
#include "steer/steering.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::steer {

// The driver that SAs of a transform are to get, as choose_driver() takes it.
struct FirstDriver {
  Transform transform;
  bool esn = true;
  std::string driver;
};

// "aes128gcm16=pcrypt(rfc4106(gcm(aes)))", "aes128-sha1/no-esn=virtio_crypto_aes_cbc".
Result<FirstDriver> parse_first_driver(std::string_view text);

struct Tuning {
  std::vector<FirstDriver> first;
  std::optional<std::string> parallel_cpus;  // of pcrypt, as in "0-3,8"
  std::optional<std::string> serial_cpus;
};

// One thing that the kernel has, and what it is to be.
struct TuningItem {
  std::string what;    // "module pcrypt", "seqiv(rfc4106(gcm(aes)))", "/sys/kernel/pcrypt/..."
  std::string now;     // "" where it is not there
  std::string wanted;  // the same as `now` where nothing is to be done
  std::string why;

  friend bool operator==(const TuningItem&, const TuningItem&) = default;
};

// Changes nothing.
Result<std::vector<TuningItem>> compare(const Tuning& tuning, Kernel& kernel);

// Loads modules, and sets the rest by way of the journal. What is loaded stays loaded.
Result<void> apply(const Tuning& tuning, Kernel& kernel, Steering& steering);

}  // namespace espalier::steer
