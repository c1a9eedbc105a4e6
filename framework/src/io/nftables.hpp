// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

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
  // Its chains and rules as text, without what is in its sets; "": there is no such table.
  Result<std::string> rules_of(const std::string& table);

 private:
  std::unique_ptr<nft_ctx, NftContextDeleter> context_;
};

}  // namespace espalier::io
