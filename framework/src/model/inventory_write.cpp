// SPDX-License-Identifier: Apache-2.0
#include <espalier/inventory.hpp>

#include <model/inventory_format.hpp>
#include <model/json_text.hpp>

#include <cctype>
#include <span>

namespace espalier {
namespace {

using Json = nlohmann::ordered_json;
using namespace inventory_format;

Json bits(std::uint32_t set, std::span<const BitWord> words) {
  Json result = Json::array();
  for (const BitWord& item : words) {
    if ((set & item.bit) == 0) continue;
    const bool number = std::isdigit(static_cast<unsigned char>(item.word.front())) != 0;
    result.push_back(number ? Json(std::stoul(std::string(item.word))) : Json(item.word));
  }
  return result;
}

Json amount(std::uint64_t value) {
  return value == kUnlimited ? Json(kUnlimitedWord) : Json(value);
}

Json json_of(const Capability& capability) {
  return {{"cipher", to_string(capability.cipher)},
          {"integrity", to_string(capability.integrity)},
          {"key_bits", bits(capability.key_bits, kKeyBits)},
          {"icv_bytes", bits(capability.icv_bytes, kIcvBytes)},
          {"directions", bits(capability.directions, kDirections)},
          {"modes", bits(capability.modes, kModes)},
          {"encapsulations", bits(capability.encapsulations, kEncapsulations)},
          {"families", bits(capability.families, kFamilies)},
          {"esn", bits(capability.esn, kEsn)},
          {"max_replay_window", capability.max_replay_window},
          {"max_length", capability.max_length},
          {"score", capability.score}};
}

Json json_of(const CapacityPool& pool) {
  return {{"name", pool.name},
          {"kind", to_string(pool.kind)},
          {"directions", bits(pool.directions, kDirections)},
          {"use", to_string(pool.use)},
          {"capacity", amount(pool.capacity)},
          {"used", pool.used}};
}

Json json_of(const Refusal& refusal) {
  return {{"backend", refusal.backend},
          {"device", refusal.device},
          {"sa", refusal.sa},
          {"code", to_string(refusal.code)},
          {"words", refusal.words}};
}

Json json_of(const BackendLoad& load) { return {{"backend", load.backend}, {"sas", load.sas}}; }

template <class T>
Json list_of(const std::vector<T>& values);

Json json_of(const Device& device) {
  return {{"name", device.name},
          {"description", device.description},
          {"id", device.id},
          {"dataplane", to_string(device.dataplane)},
          {"asynchronous", device.asynchronous},
          {"needs_dma", device.needs_dma},
          {"numa_node", device.numa_node},
          {"interface", device.interface},
          {"state", to_string(device.state)},
          {"state_reason", device.state_reason},
          {"retry_in_ms", device.retry_in_ms},
          {"capabilities", list_of(device.capabilities)},
          {"pools", list_of(device.pools)}};
}

Json json_of(const BackendInfo& backend) {
  return {{"name", backend.name},         {"vendor", backend.vendor},
          {"version", backend.version},   {"path", backend.path},
          {"rejected", backend.rejected}, {"devices", list_of(backend.devices)}};
}

template <class T>
Json list_of(const std::vector<T>& values) {
  Json result = Json::array();
  for (const T& value : values) result.push_back(json_of(value));
  return result;
}

}  // namespace

std::string to_json(const Inventory& inventory) {
  return json_text(Json{{"format", kFormat},
                        {"version", kVersion},
                        {"dataplane", to_string(inventory.dataplane)},
                        {"backends", list_of(inventory.backends)},
                        {"refusals", list_of(inventory.refusals)},
                        {"load", list_of(inventory.load)}});
}

}  // namespace espalier
