// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <nlohmann/json.hpp>

#include <filesystem>
#include <span>
#include <vector>

namespace espalier::cli {

// One request line made of a verb's own members and of a file with an SA and its keys. The keys
// are in one buffer only, which is wiped.
class SaRequest {
 public:
  // `head`: an object with the verb. `file`: "-" is standard input; what is no pipe must be its
  // owner's alone, as a key file.
  static Result<SaRequest> read(const std::filesystem::path& file, const nlohmann::json& head);
  ~SaRequest();
  SaRequest(SaRequest&&) = default;
  SaRequest& operator=(SaRequest&&) = delete;

  std::span<const char> line() const noexcept { return {buffer_.data(), used_}; }

 private:
  SaRequest() = default;

  std::vector<char> buffer_;
  std::size_t used_ = 0;
};

}  // namespace espalier::cli
