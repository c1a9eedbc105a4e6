// SPDX-License-Identifier: Apache-2.0
//
// What fake devices were given to do, one record an accepted op. Several fakes may share a trace,
// so that a test sees what happened to an SA across a move.
#pragma once

#include <espalier/abi.h>
#include <fake_crypto.hpp>

#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

namespace espalier::mock {

struct OpRecord {
  std::string device;
  std::uint64_t session = 0;
  std::uint64_t key = 0;  // fingerprint of the session's keys: equal for equal keys on any device
  std::uint32_t direction = 0;
  std::uint64_t sequence = 0;  // 64 bits, seq_hi and the packet's
  std::array<std::uint8_t, 16> iv{};
  std::uint32_t iv_bytes = 0;
  std::uint32_t length = 0;
  std::uint64_t cookie = 0;
};

inline OpRecord record_of(const std::string& device, const espalier_op& op,
                          const FakeSession& session) {
  OpRecord r;
  r.device = device;
  r.session = op.session;
  r.key = session.key;
  r.direction = session.direction;
  r.sequence = sequence_of(op);
  r.iv_bytes = session.iv_bytes;
  std::memcpy(r.iv.data(), op.esp + 8, session.iv_bytes);
  r.length = op.length;
  r.cookie = op.cookie;
  return r;
}

// Thread-safe.
class OpTrace {
 public:
  void add(const OpRecord& record) {
    const std::lock_guard lock(mutex_);
    records_.push_back(record);
  }
  std::vector<OpRecord> records() const {
    const std::lock_guard lock(mutex_);
    return records_;
  }
  void clear() {
    const std::lock_guard lock(mutex_);
    records_.clear();
  }

  // Law 1: the first outbound op that repeated an IV under one key, on whichever device. Ciphers
  // without IV (NULL) are passed over.
  std::optional<OpRecord> repeated_iv() const {
    const std::lock_guard lock(mutex_);
    std::set<std::tuple<std::uint64_t, std::array<std::uint8_t, 16>>> seen;
    for (const auto& r : records_) {
      if (r.direction != ESPALIER_OUTBOUND || r.iv_bytes == 0) continue;
      if (!seen.emplace(r.key, r.iv).second) return r;
    }
    return std::nullopt;
  }

  // Law 4: the first outbound op whose number is not above the one before it under the same key.
  std::optional<OpRecord> sequence_went_back() const {
    const std::lock_guard lock(mutex_);
    std::map<std::uint64_t, std::uint64_t> last;  // by key
    for (const auto& r : records_) {
      if (r.direction != ESPALIER_OUTBOUND) continue;
      const auto [it, first] = last.emplace(r.key, r.sequence);
      if (!first && r.sequence <= it->second) return r;
      it->second = r.sequence;
    }
    return std::nullopt;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<OpRecord> records_;
};

}  // namespace espalier::mock
