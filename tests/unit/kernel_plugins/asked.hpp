// SPDX-License-Identifier: Apache-2.0
//
// A backend of the kernel dataplane, asked through its C table as the framework asks it.
#pragma once

#include <espalier/abi.h>
#include <espalier/plugin.hpp>
#include <espalier/transform.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

namespace espalier::kernel_plugins {

// A file or folder of this test alone.
class Scratch {
 public:
  Scratch() {
    std::string name = (std::filesystem::temp_directory_path() / "espalier-plugin-XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~Scratch() { std::filesystem::remove_all(folder_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  std::string file(const std::string& name, const std::string& text) const {
    const auto path = folder_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    return path;
  }
  std::string path() const { return folder_; }

 private:
  std::filesystem::path folder_;
};

inline std::string proc_entry(const std::string& name, const std::string& driver, int priority,
                              const std::string& type, const std::string& module = "m",
                              const std::string& internal = "no") {
  return "name         : " + name + "\ndriver       : " + driver + "\nmodule       : " + module +
         "\npriority     : " + std::to_string(priority) +
         "\nrefcnt       : 1\nselftest     : passed\ninternal     : " + internal +
         "\ntype         : " + type + "\n\n";
}

class Asked {
 public:
  Asked(const espalier_plugin_entry& entry, const std::string& options) {
    host_.struct_size = sizeof host_;
    host_.context = this;
    host_.log = [](void* self, int32_t, const char* text) {
      static_cast<Asked*>(self)->said.emplace_back(text);
    };
    espalier_message message{text_, sizeof text_};
    const espalier_backend* table = nullptr;
    status = entry.negotiate(&host_, options.c_str(), &table, &message);
    table_.reset(table);
  }

  std::vector<espalier_device_info> devices() const {
    return list<espalier_device_info>(
        [&](auto... rest) { return table_->enumerate(table_->self, rest...); });
  }
  std::vector<espalier_capability> caps(std::uint64_t device) const {
    return list<espalier_capability>(
        [&](auto... rest) { return table_->caps(table_->self, device, rest...); });
  }

  // "DRIVER, MODULE", or "" where it is refused.
  std::string recipe(std::uint64_t device, std::string_view transform, bool esn) const {
    const Transform& wanted = (*find_transform(transform))->transform;
    espalier_sa sa{};
    sa.struct_size = sizeof sa;
    sa.cipher = static_cast<std::uint16_t>(wanted.cipher);
    sa.integrity = static_cast<std::uint16_t>(wanted.integrity);
    sa.key_bits = wanted.key_bits;
    sa.icv_bytes = wanted.icv_bytes;
    sa.direction = ESPALIER_INBOUND;
    sa.mode = ESPALIER_TUNNEL;
    sa.encapsulation = ESPALIER_ENCAP_NONE;
    sa.family = ESPALIER_IPV4;
    sa.esn = esn ? 1 : 0;
    auto recipe = sdk::sized<espalier_recipe>();
    char text[256];
    espalier_message message{text, sizeof text};
    if (table_->kernel->recipe(table_->self, device, &sa, &recipe, &message) != ESPALIER_OK)
      return "";
    return std::string(recipe.driver) + ", " + recipe.module;
  }

  const char* message() const { return text_; }

  espalier_status status = ESPALIER_OK;
  std::vector<std::string> said;

 private:
  template <class T, class Ask>
  static std::vector<T> list(Ask&& ask) {
    std::vector<T> all(100, sdk::sized<T>());
    std::uint32_t count = 0;
    char text[256];
    espalier_message message{text, sizeof text};
    if (ask(all.data(), 100U, &count, &message) != ESPALIER_OK) return {};
    all.resize(count);
    return all;
  }

  struct Close {
    void operator()(const espalier_backend* table) const { table->close(table->self); }
  };
  espalier_host host_{};
  char text_[256]{};
  std::unique_ptr<const espalier_backend, Close> table_;
};

}  // namespace espalier::kernel_plugins
