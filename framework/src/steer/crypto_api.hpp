// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "steer/algorithm.hpp"
#include "steer/kernel.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace espalier::steer {

// The registered algorithms of a kernel, in sentences. What is there already, or gone already, when
// it is to be is no failure. [control]
class CryptoApi {
 public:
  explicit CryptoApi(Kernel& kernel) : kernel_(kernel) {}

  // Whether it is new. With `priority` that one, else the kernel's.
  Result<bool> make(const std::string& driver, std::optional<std::uint32_t> priority);
  // Takes away what is at work on top of it: SAs that are go on with it unseen. So it is to be used
  // on instances that ESP gets, and on nothing below.
  Result<void> set_priority(const std::string& driver, std::uint32_t priority);
  // conflict: an SA or another algorithm uses it.
  Result<void> remove(const std::string& driver);
  // not_found: there is none of that driver.
  Result<Algorithm> get(const std::string& driver);
  // All of them; names and drivers are cut at 63 characters.
  Result<std::vector<Algorithm>> dump();

 private:
  Result<CryptoReply> ask(CryptoRequest request);

  Kernel& kernel_;
};

}  // namespace espalier::steer
