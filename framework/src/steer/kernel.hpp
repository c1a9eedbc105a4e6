// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "steer/algorithm.hpp"
#include "steer/crypto_message.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace espalier::steer {

// What steering touches of a kernel: the one of this machine, or a scripted one. [control]
class Kernel {
 public:
  virtual ~Kernel() = default;

  // A request to its crypto netlink, and the whole answer. Fails only where it cannot be talked to.
  virtual Result<CryptoReply> exchange(const CryptoRequest& request) = 0;
  // What /proc/crypto says.
  virtual Result<std::vector<Algorithm>> registered() = 0;
  // A file of one line under /sys, without its end of line; not_found where there is none.
  virtual Result<std::string> setting(const std::filesystem::path& file) = 0;
  virtual Result<void> change_setting(const std::filesystem::path& file,
                                      const std::string& value) = 0;
  virtual bool has_module(const std::string& name) = 0;  // loaded or built in
  virtual Result<void> load_module(const std::string& name) = 0;
  // Another one after each start of the kernel, which forgets all that was changed.
  virtual Result<std::string> boot() = 0;
};

// This machine's. Its crypto netlink wants CAP_NET_ADMIN of the initial user namespace for all that
// changes something, and older kernels have it in the initial network namespace only; that is told
// by what asks for it.
std::unique_ptr<Kernel> this_kernel();

}  // namespace espalier::steer
