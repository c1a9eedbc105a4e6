// SPDX-License-Identifier: Apache-2.0
//
// A configuration file.
#include "fuzz.hpp"

#include <espalier/config.hpp>

#include <memory>

using namespace espalier;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const fuzz::MemoryFile& file = *new fuzz::MemoryFile(".toml");
  static const std::unique_ptr<SecretPool>& secrets =
      *new std::unique_ptr<SecretPool>(SecretPool::create().value());
  if (size > 8192) return 0;
  file.write({data, size});
  const ConfigReading reading = read_config(file.path(), *secrets);
  bool errors = false;
  for (const Diagnostic& finding : reading.findings) {
    errors = errors || finding.severity == Severity::error;
    fuzz::require(!finding.message.empty(), "a finding says what");
  }
  fuzz::require(reading.config.has_value() != errors, "there is a value or an error");
  if (!reading.config) return 0;
  for (const auto& [name, site] : reading.config->sites) static_cast<void>(sa_specs(*reading.config, name));
  return 0;
}
