// SPDX-License-Identifier: Apache-2.0
//
// How a fake device transforms a packet: by a real backend behind it, or by a toy.
#pragma once

#include <espalier/plugin.hpp>

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

namespace espalier::mock {

inline std::uint64_t fnv1a(std::uint64_t hash, const std::uint8_t* data, std::uint64_t size) {
  for (std::uint64_t i = 0; i < size; ++i) hash = (hash ^ data[i]) * 0x100000001b3u;
  return hash;
}

inline std::uint64_t key_fingerprint(const espalier_session_params& p) {
  std::uint64_t hash = 0xcbf29ce484222325u;
  for (const auto& part : {p.cipher_key, p.salt, p.integrity_key}) {
    hash = fnv1a(hash, part.data, part.size) * 31;
  }
  return hash;
}

inline std::uint32_t iv_bytes_of(std::uint16_t cipher) {
  if (cipher == ESPALIER_CIPHER_NULL) return 0;
  return cipher == ESPALIER_CIPHER_AES_CBC ? 16 : 8;
}

// The 64-bit sequence number of a packet.
inline std::uint64_t sequence_of(const espalier_op& op) {
  const std::uint8_t* s = op.esp + 4;
  return (std::uint64_t{op.seq_hi} << 32) | (std::uint64_t{s[0]} << 24) |
         (std::uint64_t{s[1]} << 16) | (std::uint64_t{s[2]} << 8) | s[3];
}

// What a fake knows of an open session.
struct FakeSession {
  std::uint64_t key = 0;  // fingerprint
  std::uint32_t direction = 0;
  std::uint16_t cipher = 0;
  std::uint32_t iv_bytes = 0;
  std::uint64_t inner = 0;  // handle at the backend behind, if there is one
};

// NO CRYPTOGRAPHY. A keystream and a checksum with the shape of an AEAD: it changes every byte of
// the payload, depends on key and sequence number, and notices changed packets. That is all.
inline std::uint16_t toy_transform(const FakeSession& session, const espalier_op& op) {
  const std::uint32_t head = 8 + session.iv_bytes;
  if (op.icv_offset < head || op.length <= op.icv_offset) return ESPALIER_OP_FAILED;
  std::uint8_t* packet = op.esp;
  if (op.dst != nullptr && op.dst != op.esp) {
    std::memcpy(op.dst, op.esp, op.length);
    packet = op.dst;
  }
  const std::uint64_t seed = session.key ^ (sequence_of(op) * 0x9e3779b97f4a7c15u);
  const auto keystream = [&](std::uint32_t i) {
    std::uint64_t z = seed + (i / 8 + 1) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 31)) * 0x94d049bb133111ebu;
    return static_cast<std::uint8_t>(z >> (8 * (i % 8)));
  };
  const auto cipher = [&] {
    if (session.cipher == ESPALIER_CIPHER_NULL) return;
    for (std::uint32_t i = head; i < op.icv_offset; ++i) {
      packet[i] = static_cast<std::uint8_t>(packet[i] ^ keystream(i));
    }
  };
  const auto checksum = [&](std::uint32_t i) {
    const std::uint64_t sum = fnv1a(seed + i / 8, packet, op.icv_offset);
    return static_cast<std::uint8_t>(sum >> (8 * (i % 8)));
  };
  const std::uint32_t icv_bytes = op.length - op.icv_offset;
  if (session.direction == ESPALIER_OUTBOUND) {
    cipher();
    for (std::uint32_t i = 0; i < icv_bytes; ++i) packet[op.icv_offset + i] = checksum(i);
    return ESPALIER_OP_DONE;
  }
  for (std::uint32_t i = 0; i < icv_bytes; ++i) {
    if (packet[op.icv_offset + i] != checksum(i)) return ESPALIER_OP_BAD_ICV;
  }
  cipher();
  return ESPALIER_OP_DONE;
}

// A real backend behind a fake: the first device of its entry. Results are then true ESP.
class InnerBackend {
 public:
  static sdk::Result<std::shared_ptr<InnerBackend>> open(const espalier_plugin_entry& entry,
                                                         const espalier_host* host) {
    auto inner = std::shared_ptr<InnerBackend>(new InnerBackend());
    char text[256] = "";
    espalier_message message{text, sizeof(text)};
    auto status = entry.negotiate(host, "{}", &inner->backend_, &message);
    if (status != ESPALIER_OK) return sdk::Refusal{status, text};
    inner->info_ = sdk::sized<espalier_device_info>();
    std::uint32_t count = 0;
    status = inner->backend_->enumerate(inner->backend_->self, &inner->info_, 1, &count, &message);
    if (status != ESPALIER_OK) return sdk::Refusal{status, text};
    if (count == 0) return sdk::Refusal{ESPALIER_UNSUPPORTED, "the backend behind has no device"};
    return inner;
  }
  ~InnerBackend() {
    if (backend_ != nullptr) backend_->close(backend_->self);
  }
  InnerBackend(const InnerBackend&) = delete;
  InnerBackend& operator=(const InnerBackend&) = delete;

  const espalier_userspace& table() const { return *backend_->userspace; }
  bool asynchronous() const { return (info_.flags & ESPALIER_DEVICE_ASYNC) != 0; }

  sdk::Result<std::vector<espalier_capability>> caps() {
    std::vector<espalier_capability> all(64, sdk::sized<espalier_capability>());
    char text[256] = "";
    espalier_message message{text, sizeof(text)};
    std::uint32_t count = 0;
    const auto status = backend_->caps(backend_->self, info_.id, all.data(),
                                       static_cast<std::uint32_t>(all.size()), &count, &message);
    if (status != ESPALIER_OK) return sdk::Refusal{status, text};
    all.resize(std::min<std::size_t>(count, all.size()));
    return all;
  }
  sdk::Result<void*> open_device() {
    char text[256] = "";
    espalier_message message{text, sizeof(text)};
    void* device = nullptr;
    const auto status = table().device_open(backend_->self, info_.id, &device, &message);
    if (status != ESPALIER_OK) return sdk::Refusal{status, text};
    return device;
  }

 private:
  InnerBackend() = default;
  const espalier_backend* backend_ = nullptr;
  espalier_device_info info_{};
};

}  // namespace espalier::mock
