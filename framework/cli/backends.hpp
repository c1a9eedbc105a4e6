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
};
BackendOptions backend_options(const GatewayConfig& config);

// All plugins, and `openssl` built in where no plugin of that name may be used: the last resort is
// always there. `log` takes levels of abi.h, from any thread.
Result<std::unique_ptr<Registry>> load_backends(
    const BackendOptions& options, SecretPool& secrets,
    std::function<void(int level, std::string_view text)> log);

// The backends that the configuration names and that are not among these.
std::vector<Diagnostic> unknown_backends(const GatewayConfig& config,
                                         const std::vector<BackendInfo>& backends);

// Tells of those that are most likely misspelt, on stderr; whether there are any.
bool tell_misspelt_backends(const GatewayConfig& config, const std::vector<BackendInfo>& backends,
                            Severity severity);

}  // namespace espalier::cli
