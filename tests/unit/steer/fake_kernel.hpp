// SPDX-License-Identifier: Apache-2.0
//
// A kernel's crypto drivers, as far as steering sees them: names, priorities, users, what templates
// make, and which instances go when another implementation arrives (crypto/algapi.c).
#pragma once

#include "steer/kernel.hpp"

#include <cerrno>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace espalier::steer {

class FakeKernel final : public Kernel {
 public:
  // With the drivers of Debian's kernel 6.12 on a CPU with AES-NI.
  FakeKernel();

  Result<CryptoReply> exchange(const CryptoRequest& request) override;
  Result<std::vector<Algorithm>> registered() override { return algorithms; }
  Result<std::string> setting(const std::filesystem::path& file) override;
  Result<void> change_setting(const std::filesystem::path& file, const std::string& value) override;
  bool has_module(const std::string& name) override { return loaded.contains(name); }
  Result<void> load_module(const std::string& name) override;
  Result<std::string> boot() override { return boot_id; }

  // As ESP does: the first driver of that name gets one more user. Gives it.
  std::string add_sa(const std::string& name);
  void remove_sa(const std::string& driver);
  Algorithm* find(const std::string& driver);
  void add(const std::string& name, const std::string& driver, std::uint32_t priority,
           const std::string& type = "aead");
  // What users of the kernel see: who does what, and how high.
  std::map<std::string, std::uint32_t> priorities() const;

  std::vector<Algorithm> algorithms;
  std::map<std::string, std::string> settings;
  std::map<std::string, std::function<void(FakeKernel&)>> modules;
  std::set<std::string> loaded;
  std::string boot_id = "first";
  std::vector<CryptoRequest> requests;                  // all but those that only ask
  std::function<void(const CryptoRequest&)> on_change;  // before each of these
  int change_error = 0;                                 // that every one of them gets, as an errno

 private:
  int make(const std::string& driver, std::optional<std::uint32_t> priority);
  void take_away_on_top_of(const std::string& driver, const std::string& but = "");
};

}  // namespace espalier::steer
