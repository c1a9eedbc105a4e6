// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <toml++/toml.h>
#include <conform/capability_diff.hpp>
#include <conform/profile.hpp>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <utility>

namespace espalier::conform {
namespace {

using Json = nlohmann::ordered_json;

Json json_of(const Inventory& inventory) { return Json::parse(to_json(inventory)); }

Json as_json(const Device& device) {
  Inventory inventory;
  inventory.backends.emplace_back();
  inventory.backends.back().devices.push_back(device);
  return json_of(inventory)["backends"][0]["devices"][0];
}

// What a capability or pool of which nothing is measured has where the profile does not say.
Json blank_capability() {
  Device device;
  device.name = "x";
  Capability& blank = device.capabilities.emplace_back();
  blank.key_bits = ESPALIER_KEY_128 | ESPALIER_KEY_192 | ESPALIER_KEY_256;
  blank.icv_bytes = ESPALIER_ICV(16);
  blank.directions = blank.modes = blank.encapsulations = blank.families = blank.esn = 3;
  return as_json(device)["capabilities"][0];
}

Json blank_pool() {
  Device device;
  device.name = "x";
  device.pools.emplace_back();
  return as_json(device)["pools"][0];
}

// `said` over the entry of `base` that has the same values at `keys`, or over `blank`.
Json overlaid(const Json& said, const Json& base, std::initializer_list<const char*> keys,
              Json blank) {
  if (!said.is_object()) return said;  // the reader says what is wrong with it
  Json result = std::move(blank);
  for (const Json& entry : base)
    if (std::ranges::all_of(keys, [&](const char* key) {
          return said.contains(key) && entry.contains(key) && said[key] == entry[key];
        }))
      result = entry;
  for (const auto& [key, value] : said.items()) result[key] = value;
  return result;
}

Json overlaid_device(const Json& said, const Json& base) {
  if (!said.is_object()) return said;
  Json result = base;
  for (const auto& [key, value] : said.items()) {
    if (key == "capabilities" && value.is_array()) {
      result[key] = Json::array();
      for (const Json& each : value)
        result[key].push_back(
            overlaid(each, base[key], {"cipher", "integrity"}, blank_capability()));
    } else if (key == "pools" && value.is_array()) {
      result[key] = Json::array();
      for (const Json& each : value)
        result[key].push_back(overlaid(each, base[key], {"name"}, blank_pool()));
    } else {
      result[key] = value;
    }
  }
  return result;
}

Result<BackendInfo> backend_of(const std::string& name, const Json& devices,
                               const std::vector<Device>& beside) {
  Device blank;
  blank.name = "x";
  Inventory inventory;
  inventory.backends.emplace_back();
  inventory.backends.back().name = name.empty() ? "declared" : name;
  Json json = json_of(inventory);
  Json& list = json["backends"][0]["devices"] = Json::array();
  for (const Json& said : devices) {
    const auto named = std::ranges::find_if(beside, [&](const Device& device) {
      return said.is_object() && said.value("name", Json()) == device.name;
    });
    const Device& base = named != beside.end()                       ? *named
                         : beside.size() == 1 && devices.size() == 1 ? beside.front()
                                                                     : blank;
    list.push_back(overlaid_device(said, as_json(base)));
  }
  auto read = inventory_from_json(json.dump());
  if (!read) return std::unexpected(read.error());
  return std::move(read->backends.front());
}

constexpr std::pair<std::string_view, std::string Endings::*> kEndings[] = {
    {"lost_options", &Endings::lost},
    {"back_options", &Endings::back},
    {"degraded_options", &Endings::degraded}};
constexpr std::string_view kLimits[] = {"packets", "sessions", "reopens", "case_seconds"};

std::string wrong_limits(const Json& limits) {
  for (const auto& [key, value] : limits.items()) {
    if (std::ranges::any_of(kEndings, [&](const auto& ending) { return ending.first == key; })) {
      if (value.is_string() && Json::accept(value.get<std::string>())) continue;
      return fmt::format("[conform] {}: expected a text that is JSON", key);
    }
    if (std::ranges::find(kLimits, key) == std::end(kLimits))
      return fmt::format(
          "[conform] has no key '{}', only packets, sessions, reopens, case_seconds, lost_options, "
          "back_options, degraded_options",
          key);
    if (!value.is_number_integer() || value < 1 || value > 100'000'000)
      return fmt::format("[conform] {}: expected a whole number of 1 to 100000000", key);
  }
  return {};
}

}  // namespace

Result<Profile> Profile::parse(std::string_view text, const std::string& path) {
  const auto wrong = [&](std::string_view what) {
    return espalier::fail(ErrorCode::invalid, fmt::format("Profile '{}': {}", path, what));
  };
  Json json;
  Json devices = Json::array();
  Json limits = Json::object();
  Profile profile;
  profile.path = path;
  try {
    std::ostringstream as_text;
    as_text << toml::json_formatter{toml::parse(text)};
    json = Json::parse(as_text.str());
  } catch (const toml::parse_error& e) {
    return wrong(fmt::format("line {}: {}", e.source().begin.line, e.description()));
  } catch (const Json::exception& e) {
    return wrong(e.what());
  }
  for (const auto& [key, value] : json.items()) {
    if (key == "backend" && value.is_object() && value.size() == 1 && value.contains("name") &&
        value["name"].is_string())
      profile.backend = value["name"];
    else if (key == "devices" && value.is_array())
      devices = value;
    else if (key == "conform" && value.is_object())
      limits = value;
    else
      return wrong(
          fmt::format("'{}' is not of a profile, which has [backend] name, [[devices]] "
                      "and [conform]",
                      key));
  }
  if (const auto words = wrong_limits(limits); !words.empty()) return wrong(words);
  const auto sound = backend_of(profile.backend, devices, {});
  if (!sound) return wrong(sound.error().message);
  profile.devices = devices.dump();
  for (const auto& [key, ending] : kEndings) {
    profile.endings.*ending = limits.value(key, "");
    limits.erase(std::string(key));
  }
  for (const auto& [key, value] : limits.items()) profile.limits[key] = value;
  return profile;
}

Result<Profile> Profile::read(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file)
    return espalier::fail(ErrorCode::not_found,
                          fmt::format("The profile '{}' cannot be read.", path.string()));
  return parse(text.str(), path.string());
}

Budget Profile::applied_to(Budget budget) const {
  const auto set = [&](const char* key, std::uint32_t& value) {
    if (const auto found = limits.find(key); found != limits.end()) value = found->second;
  };
  set("packets", budget.packets);
  set("sessions", budget.sessions);
  set("reopens", budget.reopens);
  set("case_seconds", budget.case_seconds);
  return budget;
}

// What was checked on its own can only be made wrong by what is measured; then that is not taken.
BackendInfo Profile::declared(const BackendInfo& beside) const {
  const Json said = Json::parse(devices);
  auto found = backend_of(backend.empty() ? beside.name : backend, said, beside.devices);
  if (!found) found = backend_of(backend, said, {});
  found->version = beside.version;
  return *found;
}

std::vector<std::string> Profile::differences(const std::vector<Device>& measured) const {
  Inventory sheet;
  Inventory here;
  here.backends.emplace_back();
  here.backends.back().name = backend;
  here.backends.back().devices = measured;
  sheet.backends.push_back(declared(here.backends.front()));
  sheet.backends.front().name = backend;
  std::vector<std::string> words;
  for (const Difference& d : conform::differences(sheet, here))
    words.push_back(
        fmt::format("{}: {}: {} in the profile, {} measured", d.where, d.what, d.a, d.b));
  return words;
}

}  // namespace espalier::conform
