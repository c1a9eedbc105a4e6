// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include "io/descriptor.hpp"

#include <cstdint>
#include <memory>
#include <string>

struct nft_ctx;

namespace espalier::io {

struct NftContextDeleter {
  void operator()(nft_ctx* context) const noexcept;
};

// The kernel's nftables in this network namespace, through libnftables. [control]
class Nftables {
 public:
  static Result<Nftables> open();

  // All of the text takes effect at once, or nothing of it.
  Result<void> run(const std::string& text);
  Result<bool> has_table(const std::string& name);  // of the family inet
  // Its chains and rules as text, without what is in its sets and what its rules have counted; "":
  // there is no such table.
  Result<std::string> rules_of(const std::string& table);
  // Of all rules together: each transaction of whatever process makes the next_generation().
  Result<std::uint32_t> generation();

 private:
  Descriptor socket_;
  std::unique_ptr<nft_ctx, NftContextDeleter> context_;
};

// The kernel leaves 0 out.
constexpr std::uint32_t next_generation(std::uint32_t generation) noexcept {
  return generation + 1 == 0 ? 1 : generation + 1;
}

}  // namespace espalier::io
