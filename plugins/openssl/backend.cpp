// SPDX-License-Identifier: Apache-2.0
//
// The backend that is always there: every transform through OpenSSL, one packet at a time. It
// is the oracle that others are compared with, and the last resort when all others refuse.
#include <espalier/plugin.hpp>

#include <openssl/crypto.h>

#include <array>
#include <memory>
#include <string_view>
#include <vector>

#include "hmac.hpp"
#include "library.hpp"
#include "session.hpp"

namespace espalier::openssl {
namespace {

constexpr std::uint64_t kCpu = 1;
constexpr std::uint32_t kScore = 100;  // by definition: others are measured against it
constexpr std::uint32_t kAesKeys = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;

class CpuQueue final : public sdk::Queue {
 public:
  espalier_status process(espalier_op* const* ops, std::uint32_t n) override {
    for (std::uint32_t i = 0; i < n; ++i) {
      auto* session = reinterpret_cast<Session*>(ops[i]->session);
      ops[i]->status =
          session == nullptr ? std::uint16_t{ESPALIER_OP_FAILED} : session->run(*ops[i]);
    }
    return ESPALIER_OK;
  }
};

class CpuDevice final : public sdk::Device {
 public:
  explicit CpuDevice(std::shared_ptr<const Library> library) : library_(std::move(library)) {}

  sdk::Result<std::uint64_t> session_open(const espalier_session_params& params) override {
    auto session = open_session(*library_, params);
    if (!session) return session.refusal();
    return reinterpret_cast<std::uint64_t>((*session).release());
  }

  void session_close(std::uint64_t session) override { delete reinterpret_cast<Session*>(session); }

  sdk::Result<std::unique_ptr<sdk::Queue>> queue_open() override {
    return std::unique_ptr<sdk::Queue>(std::make_unique<CpuQueue>());
  }

 private:
  std::shared_ptr<const Library> library_;
};

struct Hash {
  std::uint16_t integrity;
  std::uint32_t icv_bytes;
};
constexpr std::array kHashes = {Hash{ESPALIER_INTEGRITY_HMAC_MD5, ESPALIER_ICV(12)},
                                Hash{ESPALIER_INTEGRITY_HMAC_SHA1, ESPALIER_ICV(12)},
                                Hash{ESPALIER_INTEGRITY_HMAC_SHA256, ESPALIER_ICV(16)},
                                Hash{ESPALIER_INTEGRITY_HMAC_SHA384, ESPALIER_ICV(24)},
                                Hash{ESPALIER_INTEGRITY_HMAC_SHA512, ESPALIER_ICV(32)}};

struct Confidentiality {
  std::uint16_t cipher;
  std::uint32_t key_bits;
  std::uint64_t key_bytes;  // one of them, to ask OpenSSL for
};
constexpr std::array kCiphers = {Confidentiality{ESPALIER_CIPHER_NULL, ESPALIER_KEY_ANY, 0},
                                 Confidentiality{ESPALIER_CIPHER_AES_CBC, kAesKeys, 16},
                                 Confidentiality{ESPALIER_CIPHER_AES_CTR, kAesKeys, 16},
                                 Confidentiality{ESPALIER_CIPHER_3DES_CBC, ESPALIER_KEY_ANY, 24}};

// What this OpenSSL really has: one that was built without DES or MD5 offers none.
// One for the life of the process: libcrypto 3.0 does not give back all memory of a library context,
// and backends come and go.
std::shared_ptr<const Library> process_library() {
  static const auto library = std::make_shared<const Library>();
  return library;
}

std::vector<espalier_capability> capabilities(const Library& library) {
  constexpr std::uint16_t none = ESPALIER_INTEGRITY_NONE;
  constexpr std::uint32_t icv16 = ESPALIER_ICV(16);
  constexpr std::uint32_t gcm_icvs = ESPALIER_ICV(8) | ESPALIER_ICV(12) | ESPALIER_ICV(16);
  std::vector<espalier_capability> all = {
      sdk::esp_capability(ESPALIER_CIPHER_AES_GCM, none, kAesKeys, gcm_icvs, kScore),
      sdk::esp_capability(ESPALIER_CIPHER_AES_GMAC, none, kAesKeys, icv16, kScore)};
  if (library.cipher(ESPALIER_CIPHER_CHACHA20_POLY1305, 32))
    all.push_back(sdk::esp_capability(ESPALIER_CIPHER_CHACHA20_POLY1305, none, ESPALIER_KEY_ANY,
                                      icv16, kScore));
  for (const auto& hash : kHashes) {
    if (!make_hmac(hash.integrity, {})) continue;
    for (const auto& cipher : kCiphers) {
      if (cipher.key_bytes != 0 && !library.cipher(cipher.cipher, cipher.key_bytes)) continue;
      all.push_back(sdk::esp_capability(cipher.cipher, hash.integrity, cipher.key_bits,
                                        hash.icv_bytes, kScore));
    }
  }
  return all;
}

class OpensslBackend final : public sdk::Backend {
 public:
  OpensslBackend(const espalier_host*, std::string_view)
      : library_(process_library()) {}

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    auto info = sdk::sized<espalier_device_info>();
    info.dataplane = ESPALIER_USERSPACE;
    info.id = kCpu;
    info.numa_node = -1;
    sdk::copy_text(info.name, "cpu");
    sdk::copy_text(info.description, OpenSSL_version(OPENSSL_VERSION));
    return std::vector{info};
  }

  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t device) override {
    if (device != kCpu) return unknown();
    return capabilities(*library_);
  }

  sdk::Result<std::unique_ptr<sdk::Device>> open(std::uint64_t device) override {
    if (device != kCpu) return unknown();
    return std::unique_ptr<sdk::Device>(std::make_unique<CpuDevice>(library_));
  }

 private:
  static sdk::Refusal unknown() {
    return {ESPALIER_INVALID, "the openssl backend has one device, \"cpu\""};
  }

  std::shared_ptr<const Library> library_;
};

}  // namespace
}  // namespace espalier::openssl

ESPALIER_PLUGIN(espalier::openssl::OpensslBackend,
                "name=openssl\nvendor=Espalier\nversion=0.1.0\ncpu=\n")
