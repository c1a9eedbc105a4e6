// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/abi.h>
#include <espalier/device.hpp>
#include <espalier/recipe.hpp>
#include <load/host_services.hpp>

#include <memory>
#include <string>
#include <vector>

namespace espalier::load {

// A backend that has been negotiated with and runs in this process. Closed when destroyed, which is
// after its open devices: they keep it alive. [control]
class RunningBackend : public std::enable_shared_from_this<RunningBackend> {
 public:
  static Result<std::shared_ptr<RunningBackend>> start(std::string name,
                                                       const espalier_plugin_entry& entry,
                                                       std::unique_ptr<HostServices> host,
                                                       const std::string& options);
  ~RunningBackend();
  RunningBackend(const RunningBackend&) = delete;
  RunningBackend& operator=(const RunningBackend&) = delete;

  Result<std::vector<Device>> devices() const;
  Result<std::shared_ptr<OpenDevice>> open(std::string_view device);
  // Of a kernel device. What a backend answers is believed only where it can be true.
  Result<Recipe> recipe(const Device& device, const SaSpec& sa) const;

 private:
  RunningBackend(std::string name, std::unique_ptr<HostServices> host,
                 const espalier_backend& table) noexcept;

  std::string name_;
  std::unique_ptr<HostServices> host_;
  const espalier_backend* table_;
};

}  // namespace espalier::load
