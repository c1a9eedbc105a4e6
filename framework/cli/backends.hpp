// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/config.hpp>
#include <espalier/registry.hpp>

#include <filesystem>
#include <functional>
#include <memory>
#include <string_view>
#include <vector>

namespace espalier::cli {

// What of a configuration concerns plugins; by default there is none.
struct BackendOptions {
  std::vector<std::filesystem::path> folders;  // empty: the one that belongs to this program
  std::map<std::string, std::string> options;
  std::vector<std::string> disabled;
  Dataplane dataplane = Dataplane::userspace;
};
BackendOptions backend_options(const GatewayConfig& config);

// All plugins, and built in what is the last resort: `openssl` where no plugin of that name may be
// used, and for the kernel's dataplane `kernel`. `log` takes levels of abi.h, from any thread.
Result<std::unique_ptr<Registry>> load_backends(
    const BackendOptions& options, SecretPool& secrets,
    std::function<void(int level, std::string_view text)> log);

// What load_backends() builds in for the kernel's dataplane, where the inventory of another machine
// is for that and does not say that it is there: every Linux has it.
Result<void> add_last_resort(Inventory& inventory, SecretPool& secrets);

// Adds what is to be said of the backends that the configuration names and that are not among
// these. An error among that takes the configuration away.
void judge_names(ConfigReading& reading, const std::vector<BackendInfo>& backends,
                 std::string_view where);
// The same, with the backends of this machine, and all findings in order.
void judge_names_here(ConfigReading& reading, const std::filesystem::path& file,
                      SecretPool& secrets);
// In the order in which their files are named first, then of lines.
void put_in_order(std::vector<Diagnostic>& findings);

}  // namespace espalier::cli
