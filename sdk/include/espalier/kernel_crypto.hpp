// SPDX-License-Identifier: Apache-2.0
//
// What a backend of the kernel dataplane needs to know of the kernel's crypto drivers: what is
// registered (/proc/crypto), and what ESP can do with it. C++17, header-only, no dependency but
// plugin.hpp. Pure, but for read_proc_crypto().
#pragma once

#include <espalier/esp_op.hpp>
#include <espalier/plugin.hpp>

#include <charconv>
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace espalier::sdk {

// An algorithm that the kernel has registered: one entry of /proc/crypto. `name` is what callers
// ask for ("rfc4106(gcm(aes))"), `driver` says which implementation it is; of several with one name
// the kernel takes the highest priority.
struct KernelAlgorithm {
  std::string name;
  std::string driver;
  std::string module;  // "kernel" where it is built in
  std::string type;    // "aead", "skcipher", "ahash", "shash", "cipher", ...
  uint32_t priority = 0;
  uint32_t refcnt = 0;    // 1, and one for each user: an SA, an algorithm at work on top of it
  bool internal = false;  // only for other drivers: no SA ever gets it
  bool async = false;
  bool tested = true;  // passed the kernel's self-test: nobody gets it before

  // Whether callers that ask for the name may get it.
  bool is_for_all() const noexcept { return !internal && tested && type != "larval"; }
};

inline bool operator==(const KernelAlgorithm& a, const KernelAlgorithm& b) {
  return a.name == b.name && a.driver == b.driver && a.module == b.module && a.type == b.type &&
         a.priority == b.priority && a.refcnt == b.refcnt && a.internal == b.internal &&
         a.async == b.async && a.tested == b.tested;
}

namespace detail {

inline std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

inline void take(KernelAlgorithm& algorithm, std::string_view key, std::string_view value) {
  const auto number = [&](uint32_t& out) {
    std::from_chars(value.data(), value.data() + value.size(), out);
  };
  if (key == "name") algorithm.name = std::string(value);
  if (key == "driver") algorithm.driver = std::string(value);
  if (key == "module") algorithm.module = std::string(value);
  if (key == "type") algorithm.type = std::string(value);
  if (key == "priority") number(algorithm.priority);
  if (key == "refcnt") number(algorithm.refcnt);
  if (key == "internal") algorithm.internal = value == "yes";
  if (key == "async") algorithm.async = value == "yes";
  if (key == "selftest") algorithm.tested = value == "passed";
}

struct EspHash {
  const char* name;
  uint16_t integrity;
  uint32_t icv;
};

inline constexpr EspHash kEspHashes[] = {
    {"hmac(md5)", ESPALIER_INTEGRITY_HMAC_MD5, ESPALIER_ICV(12)},
    {"hmac(sha1)", ESPALIER_INTEGRITY_HMAC_SHA1, ESPALIER_ICV(12)},
    {"hmac(sha256)", ESPALIER_INTEGRITY_HMAC_SHA256, ESPALIER_ICV(16)},
    {"hmac(sha384)", ESPALIER_INTEGRITY_HMAC_SHA384, ESPALIER_ICV(24)},
    {"hmac(sha512)", ESPALIER_INTEGRITY_HMAC_SHA512, ESPALIER_ICV(32)}};

struct EspCipher {
  const char* name;  // the kernel's, within authenc()
  uint16_t cipher;
  uint32_t key_bits;
};

inline constexpr uint32_t kAesKeys = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;
inline constexpr EspCipher kEspCiphers[] = {
    {"cbc(aes)", ESPALIER_CIPHER_AES_CBC, kAesKeys},
    {"rfc3686(ctr(aes))", ESPALIER_CIPHER_AES_CTR, kAesKeys},
    {"cbc(des3_ede)", ESPALIER_CIPHER_3DES_CBC, ESPALIER_KEY_ANY},
    {"ecb(cipher_null)", ESPALIER_CIPHER_NULL, ESPALIER_KEY_ANY}};

// Whether a name has this part: "cbc(aes)" has "aes", and "ecb(cipher_null)" no "null".
inline bool has_part(std::string_view name, std::string_view part) {
  const auto ends_at = [&](std::size_t at) {
    return at == name.size() || name[at] == ')' || name[at] == ',';
  };
  for (auto at = name.find(part); at != std::string_view::npos; at = name.find(part, at + 1))
    if ((at == 0 || name[at - 1] == '(' || name[at - 1] == ',') && ends_at(at + part.size()))
      return true;
  return false;
}

}  // namespace detail

// The text of /proc/crypto. What is not understood is passed over: kernels add lines.
inline std::vector<KernelAlgorithm> parse_proc_crypto(std::string_view text) {
  std::vector<KernelAlgorithm> found;
  bool within = false;
  while (!text.empty()) {
    const auto end = text.find('\n') == text.npos ? text.size() : text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == text.size() ? end : end + 1);
    const auto colon = line.find(':');
    if (colon == line.npos) {  // an empty line ends an entry
      within = false;
      continue;
    }
    const auto key = detail::trimmed(line.substr(0, colon));
    if (key == "name") {
      found.emplace_back();
      within = true;
    }
    if (within) detail::take(found.back(), key, detail::trimmed(line.substr(colon + 1)));
  }
  std::vector<KernelAlgorithm> whole;
  for (auto& each : found)
    if (!each.name.empty() && !each.driver.empty()) whole.push_back(std::move(each));
  return whole;
}

// Passive: what is registered now. `path` is /proc/crypto, or a copy of that of another machine.
inline Result<std::vector<KernelAlgorithm>> read_proc_crypto(const std::string& path) {
  std::ifstream file(path);
  if (!file)
    return Refusal{ESPALIER_UNSUPPORTED,
                   "the kernel's crypto drivers are not known: " + path + " cannot be read"};
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return parse_proc_crypto(text);
}

// What ESP in the kernel can do with an algorithm of this name: one capability for each kind of
// transform of which it does the whole or a part; the kernel's own choice does the rest. With
// extended sequence numbers ESP asks for authencesn() in the place of authenc(), which a driver
// that does both parts in one does not have. Modes, families and encapsulation are the stack's
// business.
inline std::vector<espalier_capability> esp_capabilities(std::string_view name, uint32_t score) {
  using detail::has_part;
  constexpr uint16_t none = ESPALIER_INTEGRITY_NONE;
  constexpr uint32_t gcm_icvs = ESPALIER_ICV(8) | ESPALIER_ICV(12) | ESPALIER_ICV(16);
  std::vector<espalier_capability> all;
  const auto add_if = [&](bool does, espalier_capability capability, uint32_t esn = 3) {
    if (!does) return;
    capability.esn = esn;
    all.push_back(capability);
  };
  add_if(has_part("rfc4106(gcm(aes))", name) || name == "ctr(aes)",
         esp_capability(ESPALIER_CIPHER_AES_GCM, none, detail::kAesKeys, gcm_icvs, score));
  add_if(has_part("rfc4543(gcm(aes))", name) || name == "ctr(aes)",
         esp_capability(ESPALIER_CIPHER_AES_GMAC, none, detail::kAesKeys, ESPALIER_ICV(16), score));
  add_if(has_part("rfc7539esp(chacha20,poly1305)", name),
         esp_capability(ESPALIER_CIPHER_CHACHA20_POLY1305, none, ESPALIER_KEY_ANY, ESPALIER_ICV(16),
                        score));
  for (const auto& cipher : detail::kEspCiphers) {
    for (const auto& hash : detail::kEspHashes) {
      const auto both = std::string(hash.name) + ',' + cipher.name;
      const bool whole = name == "authenc(" + both + ')';
      const bool whole_esn = name == "authencesn(" + both + ')';
      add_if(whole || whole_esn || has_part(both, name),
             esp_capability(cipher.cipher, hash.integrity, cipher.key_bits, hash.icv, score),
             whole       ? 1
             : whole_esn ? 2
                         : 3);
    }
  }
  return all;
}

// What ESP asks the kernel for, but for what puts the IV in: "authencesn(hmac(sha1),cbc(aes))". ""
// for what the kernel's ESP does not have.
inline std::string esp_name(uint16_t cipher, uint16_t integrity, bool esn) {
  switch (cipher) {
    case ESPALIER_CIPHER_AES_GCM:
      return "rfc4106(gcm(aes))";
    case ESPALIER_CIPHER_AES_GMAC:
      return "rfc4543(gcm(aes))";
    case ESPALIER_CIPHER_CHACHA20_POLY1305:
      return "rfc7539esp(chacha20,poly1305)";
    default:
      break;
  }
  for (const auto& c : detail::kEspCiphers)
    for (const auto& h : detail::kEspHashes)
      if (c.cipher == cipher && h.integrity == integrity)
        return std::string(esn ? "authencesn(" : "authenc(") + h.name + ',' + c.name + ')';
  return "";
}

}  // namespace espalier::sdk
