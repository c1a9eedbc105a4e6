// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/result.hpp>

#include <array>
#include <cstdint>
#include <memory>
#include <span>

struct evp_cipher_ctx_st;

namespace espalier::esp {

// Unpredictable IVs for CBC without a system call, lock or allocation a packet: ChaCha20 keyed from
// getrandom(2), with fast key erasure (each refill's first 32 bytes are the next key; what was
// given out is wiped). One thread.
class IvSource {
 public:
  static Result<IvSource> create();
  IvSource(IvSource&&) noexcept;
  IvSource& operator=(IvSource&&) noexcept;
  ~IvSource();

  void fill(std::uint8_t* iv, std::size_t size) noexcept;  // size at most 16

 private:
  IvSource();
  void refill() noexcept;

  struct Free {
    void operator()(evp_cipher_ctx_st* context) const noexcept;
  };
  static constexpr std::size_t kKey = 32;
  std::unique_ptr<evp_cipher_ctx_st, Free> context_;
  std::array<std::uint8_t, kKey + 4096> block_{};
  std::size_t used_ = sizeof(block_);
};

}  // namespace espalier::esp
