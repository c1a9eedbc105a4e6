// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/plugin.hpp>

#include <array>
#include <cstdint>

#include "hmac_lanes.hpp"
#include "manager.hpp"
#include "session.hpp"

namespace espalier::aesni {

// A queue of the CPU: managers and scratch memory of one thread. AEADs run one packet after the
// other through ipsec-mb's direct interface, which fills the pipelines with one packet; CBC and
// HMAC, which cannot, run in lanes. [queue]
class CpuQueue final : public sdk::Queue {
 public:
  // `sha256` is empty where the main path does SHA-256 as well.
  CpuQueue(Manager main, Manager sha256) noexcept;
  ~CpuQueue() override;

  espalier_status process(espalier_op* const* ops, std::uint32_t n) override;

 private:
  static constexpr std::uint32_t kChunk = 64;

  struct Aead {
    espalier_op* op;
    const Session* session;
    alignas(16) std::uint8_t nonce[16];
    alignas(4) std::uint8_t aad[12];  // with ESN
  };

  void begin(espalier_op& op) noexcept;
  void run_aeads() noexcept;
  static void fetch_ahead(const Aead& packet, const Session* current) noexcept;
  void gcm(const Aead& packet, const GcmSession& session) noexcept;
  void gmac(const Aead& packet, const GcmSession& session) noexcept;
  void chacha20(const Aead& packet, const ChachaSession& session) noexcept;
  void settle(const Aead& packet) noexcept;

  Manager main_;
  Manager sha256_;
  std::uint32_t aead_count_ = 0;
  std::array<Aead, kChunk> aeads_;
  gcm_context_data context_{};
  alignas(16) std::array<std::uint8_t, 16> tag_{};  // computed for a packet that came in
  HmacLanes lanes_;
};

}  // namespace espalier::aesni
