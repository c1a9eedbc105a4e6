// SPDX-License-Identifier: Apache-2.0
#include "manager.hpp"

#include <espalier/esp_op.hpp>

#include <cstdlib>

namespace espalier::aesni {
namespace {

using sdk::Refusal;

constexpr std::size_t kAlignment = 64;

std::size_t manager_size() noexcept {
  return (imb_get_mb_mgr_size() + kAlignment - 1) / kAlignment * kAlignment;
}

bool has(std::uint64_t features, std::uint64_t wanted) noexcept {
  return (features & wanted) == wanted;
}

std::uint64_t needs(Path path) noexcept {
  switch (path) {
    case Path::avx512:
      return IMB_CPUFLAGS_AVX512;
    case Path::avx2:
      return IMB_CPUFLAGS_AVX2;
    case Path::sse:
      break;
  }
  return IMB_CPUFLAGS_SSE;
}

const char* name_of(Path path) noexcept {
  switch (path) {
    case Path::avx512:
      return "AVX-512";
    case Path::avx2:
      return "AVX2";
    case Path::sse:
      break;
  }
  return "SSE4.2";
}

std::string describe(const Paths& paths, std::uint64_t features) {
  std::string text = "AES-NI, ";
  if (paths.main == Path::avx512 && has(features, IMB_CPUFLAGS_AVX512_T2)) text += "VAES, ";
  text += name_of(paths.main);
  if (paths.sha256 == Path::sse && has(features, IMB_FEATURE_SHANI)) text += ", SHA-NI";
  return text + " (intel-ipsec-mb " + imb_get_version_str() + ")";
}

}  // namespace

sdk::Result<Paths> choose_paths(std::string_view wanted) {
  if (imb_get_version() < IMB_VERSION(1, 3, 0))
    return Refusal{ESPALIER_UNSUPPORTED, std::string("intel-ipsec-mb ") + imb_get_version_str() +
                                             " is too old: install version 1.3 or later"};
  const auto features = imb_get_feature_flags();
  Paths paths;
  if (wanted == "auto") {
    paths.main = has(features, needs(Path::avx512)) ? Path::avx512
                 : has(features, needs(Path::avx2)) ? Path::avx2
                                                    : Path::sse;
  } else if (wanted == "avx512" || wanted == "avx2" || wanted == "sse") {
    paths.main = wanted == "avx512" ? Path::avx512 : wanted == "avx2" ? Path::avx2 : Path::sse;
  } else {
    return Refusal{ESPALIER_INVALID, "path = \"" + std::string(wanted) +
                                         "\" is not one of auto, sse, avx2 and avx512"};
  }
  if (!has(features, needs(paths.main)))
    return Refusal{ESPALIER_UNSUPPORTED, std::string("this CPU lacks AES-NI, PCLMULQDQ or ") +
                                             name_of(paths.main) +
                                             ", so the aesni backend cannot run on it"};
  const bool sha_ni = paths.main == Path::avx2 && has(features, IMB_FEATURE_SHANI);
  paths.sha256 = sha_ni ? Path::sse : paths.main;
  paths.description = describe(paths, features);
  return paths;
}

void WipeAndFree::operator()(IMB_MGR* manager) const noexcept {
  sdk::wipe(manager, manager_size());
  std::free(manager);
}

sdk::Result<Manager> make_manager(Path path) {
  void* memory = std::aligned_alloc(kAlignment, manager_size());
  if (memory == nullptr || imb_set_pointers_mb_mgr(memory, 0, 1) == nullptr) {
    std::free(memory);
    return Refusal{ESPALIER_TRANSIENT, "no memory for a multi-buffer manager"};
  }
  Manager manager(static_cast<IMB_MGR*>(memory));
  switch (path) {
    case Path::avx512:
      init_mb_mgr_avx512(manager.get());
      break;
    case Path::avx2:
      init_mb_mgr_avx2(manager.get());
      break;
    case Path::sse:
      init_mb_mgr_sse(manager.get());
      break;
  }
  if (!has(manager->features, IMB_FEATURE_SELF_TEST_PASS))
    return Refusal{ESPALIER_UNSUPPORTED,
                   std::string("intel-ipsec-mb failed its self-test on the ") + name_of(path) +
                       " path: do not use this machine"};
  return manager;
}

}  // namespace espalier::aesni
