// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <intel-ipsec-mb.h>

#include <array>
#include <cstdint>
#include <span>

#include "session.hpp"

namespace espalier::aesni {

// Runs packets of CBC, CTR, 3DES and NULL with HMAC, of any sessions and both directions, through
// ipsec-mb's lanes: by its synchronous bursts, and where it has none (3DES, HMAC-MD5) by its jobs.
// Packets of different sessions share lanes: what is grouped is the algorithm, not the key.
// Outbound packets are encrypted, then all are hashed together, then those inbound whose ICV was
// right are decrypted. [queue]
class HmacLanes {
 public:
  static constexpr std::uint32_t kCapacity = 64;
  // ipsec-mb counts the length of a lane in 16 bits; with ICV and ESN this much fits every hash.
  static constexpr std::uint32_t kMaxLength = 65535;

  HmacLanes(IMB_MGR& main, IMB_MGR& sha256) noexcept : main_(main), sha256_(sha256) {}
  ~HmacLanes();
  HmacLanes(const HmacLanes&) = delete;
  HmacLanes& operator=(const HmacLanes&) = delete;

  bool full() const noexcept { return count_ == kCapacity; }
  bool empty() const noexcept { return count_ == 0; }
  // The op fits its session's shape and kMaxLength; not when full.
  void add(espalier_op& op, const HmacSession& session) noexcept;
  // Completes every op that was added.
  void run() noexcept;

 private:
  struct Packet {
    espalier_op* op;
    const HmacSession* session;
    std::uint8_t* hashed;     // what the HMAC covers: the ciphertext
    std::uint32_t under_icv;  // what stands where the high sequence bits are put while hashing
    bool failed;
    alignas(16) std::uint8_t iv[16];  // CTR: nonce and IV
  };
  using Members = std::array<std::uint8_t, kCapacity>;  // indexes of a group's packets

  std::span<Packet> packets() noexcept { return {packets_.data(), count_}; }
  void copy_headers() noexcept;
  void cipher(bool inbound) noexcept;
  std::uint32_t gather_cipher(CipherGroup group, bool inbound, Members& members) noexcept;
  void submit_cipher(CipherGroup group, bool inbound, std::uint32_t n) noexcept;
  void hash() noexcept;
  void hash_group(HashGroup group) noexcept;
  void submit_hash(HashGroup group, std::uint32_t n) noexcept;
  void run_jobs(std::uint32_t n) noexcept;
  void settle() noexcept;
  void put_high_sequence(Packet& packet) noexcept;
  void fail(const Members& members, std::uint32_t n) noexcept;

  IMB_MGR& main_;
  IMB_MGR& sha256_;
  std::uint32_t count_ = 0;
  std::array<Packet, kCapacity> packets_{};
  std::array<IMB_JOB, kCapacity> jobs_{};
  alignas(64) std::array<std::array<std::uint8_t, 64>, kCapacity> digests_{};
};

}  // namespace espalier::aesni
