// SPDX-License-Identifier: Apache-2.0
//
// The CPU's own AES, through intel-ipsec-mb: AES-NI or VAES, and SHA in lanes. Options:
//   path = "auto" | "sse" | "avx2" | "avx512"    which code path; for tests and comparisons
#include <espalier/plugin.hpp>

#include <nlohmann/json.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "capabilities.hpp"
#include "manager.hpp"
#include "queue.hpp"
#include "session.hpp"

namespace espalier::aesni {
namespace {

constexpr std::uint64_t kCpu = 1;

class CpuDevice final : public sdk::Device {
 public:
  CpuDevice(const espalier_host& host, const Paths& paths, Manager manager) noexcept
      : paths_(paths), manager_(std::move(manager)), sessions_(host, *manager_, paths.main) {}

  sdk::Result<std::uint64_t> session_open(const espalier_session_params& params) override {
    auto session = sessions_.open(params);
    if (!session) return session.refusal();
    return reinterpret_cast<std::uint64_t>(*session);
  }

  void session_close(std::uint64_t session) override {
    sessions_.close(reinterpret_cast<Session*>(session));
  }

  sdk::Result<std::unique_ptr<sdk::Queue>> queue_open() override {
    auto main = make_manager(paths_.main);
    if (!main) return main.refusal();
    Manager sha256;
    if (paths_.sha256 != paths_.main) {
      auto other = make_manager(paths_.sha256);
      if (!other) return other.refusal();
      sha256 = std::move(*other);
    }
    return std::unique_ptr<sdk::Queue>(
        std::make_unique<CpuQueue>(std::move(*main), std::move(sha256)));
  }

 private:
  Paths paths_;
  Manager manager_;  // of the control thread: expands keys
  SessionFactory sessions_;
};

// The code path that the configuration asks for.
sdk::Result<std::string> wanted_path(std::string_view options) {
  const auto table = nlohmann::json::parse(options, nullptr, false);
  if (!table.is_object())
    return sdk::Refusal{ESPALIER_INVALID, "the options of the aesni backend are no JSON object"};
  std::string path = "auto";
  for (const auto& [key, value] : table.items()) {
    if (key != "path" || !value.is_string())
      return sdk::Refusal{ESPALIER_INVALID,
                          "the aesni backend has one option, path = \"auto\", \"sse\", \"avx2\" or "
                          "\"avx512\"; this does not fit: " +
                              key};
    path = value.get<std::string>();
  }
  return path;
}

class AesniBackend final : public sdk::Backend {
 public:
  AesniBackend(const espalier_host* host, std::string_view options)
      : host_(*host), paths_(paths_for(options)) {}

  sdk::Result<std::vector<espalier_device_info>> enumerate() override {
    if (!paths_) return paths_.refusal();
    auto info = sdk::sized<espalier_device_info>();
    info.dataplane = ESPALIER_USERSPACE;
    info.id = kCpu;
    info.numa_node = -1;
    sdk::copy_text(info.name, "cpu");
    sdk::copy_text(info.description, (*paths_).description);
    return std::vector{info};
  }

  sdk::Result<std::vector<espalier_capability>> caps(std::uint64_t device) override {
    if (device != kCpu) return unknown();
    if (!paths_) return paths_.refusal();
    return capabilities((*paths_).main);
  }

  sdk::Result<std::unique_ptr<sdk::Device>> open(std::uint64_t device) override {
    if (device != kCpu) return unknown();
    if (!paths_) return paths_.refusal();
    auto manager = make_manager((*paths_).main);
    if (!manager) return manager.refusal();
    return std::unique_ptr<sdk::Device>(
        std::make_unique<CpuDevice>(host_, *paths_, std::move(*manager)));
  }

 private:
  static sdk::Result<Paths> paths_for(std::string_view options) {
    auto wanted = wanted_path(options);
    if (!wanted) return wanted.refusal();
    return choose_paths(*wanted);
  }

  static sdk::Refusal unknown() {
    return {ESPALIER_INVALID, "the aesni backend has one device, \"cpu\""};
  }

  const espalier_host& host_;
  sdk::Result<Paths> paths_;
};

}  // namespace
}  // namespace espalier::aesni

ESPALIER_PLUGIN(espalier::aesni::AesniBackend,
                "name=aesni\nvendor=Espalier\nversion=0.1.0\ncpu=aes pclmulqdq sse4_2\n")
