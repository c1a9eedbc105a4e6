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

 private:
  std::unique_ptr<nft_ctx, NftContextDeleter> context_;
};

}  // namespace espalier::io
