// SPDX-License-Identifier: Apache-2.0
//
// The strict reader of saved inventories: every key is known, every value of its type, and the
// first thing wrong is named with its place in the file.
#include <espalier/inventory.hpp>

#include <model/inventory_format.hpp>
#include <model/nearest_name.hpp>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <functional>
#include <set>
#include <span>
#include <stdexcept>

namespace espalier {
namespace {

using Json = nlohmann::json;
using namespace inventory_format;

// Carries the sentence to inventory_from_json(); never leaves this file.
struct Wrong : std::runtime_error {
  using std::runtime_error::runtime_error;
};

[[noreturn]] void wrong(const std::string& place, const std::string& what) {
  throw Wrong(fmt::format("{}: {}", place.empty() ? "top level" : place, what));
}

std::string quoted(const Json& value) {
  const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  return text.size() <= 60 ? text : text.substr(0, 57) + "...";
}

// ---- Values, each at its place ------------------------------------------------------------------

void read(const Json& value, const std::string& place, std::string& out) {
  if (!value.is_string()) wrong(place, "expected a text, got " + quoted(value));
  out = value.get<std::string>();
}

void read(const Json& value, const std::string& place, bool& out) {
  if (!value.is_boolean()) wrong(place, "expected true or false, got " + quoted(value));
  out = value.get<bool>();
}

template <class Integer>
  requires std::is_integral_v<Integer>
void read(const Json& value, const std::string& place, Integer& out) {
  using Limits = std::numeric_limits<Integer>;
  const bool fits =
      value.is_number_unsigned()
          ? std::in_range<Integer>(value.get<std::uint64_t>())
          : value.is_number_integer() && std::in_range<Integer>(value.get<std::int64_t>());
  if (!fits)
    wrong(place, fmt::format("expected a whole number from {} to {}, got {}", Limits::min(),
                             Limits::max(), quoted(value)));
  out = value.get<Integer>();
}

// The value whose word is written there.
template <class T>
const T& choose(const Json& value, const std::string& place, std::span<const T> values,
                auto word_of) {
  const std::string word = value.is_string() ? value.get<std::string>() : quoted(value);
  std::vector<std::string_view> known;
  for (const T& item : values) {
    known.push_back(word_of(item));
    if (known.back() == word) return item;
  }
  wrong(place, fmt::format("{} is not one of: {}{}", quoted(value), fmt::join(known, ", "),
                           did_you_mean(known, word)));
}

template <class Enum, std::size_t N>
void read(const Json& value, const std::string& place, const std::array<Enum, N>& values,
          Enum& out) {
  out = choose<Enum>(value, place, values, [](Enum item) { return to_string(item); });
}

template <std::size_t N>
void read(const Json& value, const std::string& place, const std::array<BitWord, N>& words,
          std::uint32_t& out) {
  if (!value.is_array()) wrong(place, "expected a list, got " + quoted(value));
  out = 0;
  for (std::size_t i = 0; i < value.size(); ++i)
    out |=
        choose<BitWord>(value[i], fmt::format("{}[{}]", place, i), words, [](const BitWord& item) {
          return item.word;
        }).bit;
}

// ---- Objects ------------------------------------------------------------------------------------

enum class Need { required, optional };

// One JSON object; done() refuses the keys that nobody asked for.
class Object {
 public:
  Object(const Json& value, std::string place) : value_(value), place_(std::move(place)) {
    if (!value.is_object()) wrong(place_, "expected an object, got " + quoted(value));
  }

  // read(value, place, arguments...) of a key that is there.
  void field(std::string_view key, Need need, auto&&... arguments) {
    if (const Json* const value = find(key, need)) read(*value, place_of(key), arguments...);
  }

  template <class T>
  void list(std::string_view key, Need need, std::vector<T>& out, T (*item)(Object&)) {
    const Json* const values = find(key, need);
    if (values == nullptr) return;
    if (!values->is_array()) wrong(place_of(key), "expected a list, got " + quoted(*values));
    for (std::size_t i = 0; i < values->size(); ++i) {
      Object object((*values)[i], fmt::format("{}[{}]", place_of(key), i));
      out.push_back(item(object));
      object.done();
    }
  }

  const Json* find(std::string_view key, Need need) {
    asked_.push_back(key);
    const auto found = value_.find(key);
    if (found != value_.end()) return &*found;
    if (need == Need::required) wrong(place_, fmt::format("the key '{}' is missing", key));
    return nullptr;
  }

  void done() const {
    for (const auto& [key, value] : value_.items())
      if (std::ranges::find(asked_, key) == asked_.end())
        wrong(place_,
              fmt::format("unknown key '{}'{}", key.substr(0, 64), did_you_mean(asked_, key)));
  }

  std::string place_of(std::string_view key) const {
    return place_.empty() ? std::string(key) : fmt::format("{}.{}", place_, key);
  }

 private:
  const Json& value_;
  std::string place_;
  std::vector<std::string_view> asked_;
};

Capability read_capability(Object& object) {
  Capability result;
  object.field("cipher", Need::required, kCiphers, result.cipher);
  object.field("integrity", Need::required, kIntegrities, result.integrity);
  object.field("key_bits", Need::required, kKeyBits, result.key_bits);
  object.field("icv_bytes", Need::required, kIcvBytes, result.icv_bytes);
  object.field("directions", Need::required, kDirections, result.directions);
  object.field("modes", Need::required, kModes, result.modes);
  object.field("encapsulations", Need::required, kEncapsulations, result.encapsulations);
  object.field("families", Need::required, kFamilies, result.families);
  object.field("esn", Need::required, kEsn, result.esn);
  object.field("max_replay_window", Need::optional, result.max_replay_window);
  object.field("max_length", Need::optional, result.max_length);
  object.field("score", Need::required, result.score);
  return result;
}

CapacityPool read_pool(Object& object) {
  CapacityPool result;
  object.field("name", Need::required, result.name);
  object.field("kind", Need::required, kPoolKinds, result.kind);
  object.field("directions", Need::required, kDirections, result.directions);
  object.field("use", Need::optional, kPoolUses, result.use);
  const Json* const capacity = object.find("capacity", Need::required);
  if (*capacity != kUnlimitedWord) read(*capacity, object.place_of("capacity"), result.capacity);
  object.field("used", Need::optional, result.used);
  return result;
}

Device read_device(Object& object) {
  Device result;
  object.field("name", Need::required, result.name);
  object.field("description", Need::optional, result.description);
  object.field("id", Need::optional, result.id);
  object.field("dataplane", Need::required, kDataplanes, result.dataplane);
  object.field("asynchronous", Need::optional, result.asynchronous);
  object.field("needs_dma", Need::optional, result.needs_dma);
  object.field("numa_node", Need::optional, result.numa_node);
  object.field("interface", Need::optional, result.interface);
  object.field("state", Need::optional, kDeviceStates, result.state);
  object.field("state_reason", Need::optional, result.state_reason);
  object.field("retry_in_ms", Need::optional, result.retry_in_ms);
  object.list("capabilities", Need::required, result.capabilities, &read_capability);
  object.list("pools", Need::optional, result.pools, &read_pool);
  return result;
}

BackendInfo read_backend(Object& object) {
  BackendInfo result;
  object.field("name", Need::required, result.name);
  object.field("vendor", Need::optional, result.vendor);
  object.field("version", Need::optional, result.version);
  object.field("path", Need::optional, result.path);
  object.field("rejected", Need::optional, result.rejected);
  object.list("devices", Need::required, result.devices, &read_device);
  return result;
}

Refusal read_refusal(Object& object) {
  Refusal result;
  object.field("backend", Need::required, result.backend);
  object.field("device", Need::required, result.device);
  object.field("sa", Need::optional, result.sa);
  object.field("code", Need::required, kRefusalCodes, result.code);
  object.field("words", Need::optional, result.words);
  return result;
}

BackendLoad read_load(Object& object) {
  BackendLoad result;
  object.field("backend", Need::required, result.backend);
  object.field("sas", Need::required, result.sas);
  return result;
}

// ---- The text -----------------------------------------------------------------------------------

// Refuses, while the text is read, what a value of JSON would hide or what could exhaust the stack.
class Guard {
 public:
  bool operator()(int depth, Json::parse_event_t event, const Json& parsed) {
    if (depth > kDeepest) throw Wrong(fmt::format("nested deeper than {} levels", kDeepest));
    if (event == Json::parse_event_t::object_start) keys_.emplace_back();
    if (event == Json::parse_event_t::object_end) keys_.pop_back();
    if (event == Json::parse_event_t::key && !keys_.back().insert(parsed.get<std::string>()).second)
      throw Wrong(fmt::format("the key {} stands twice in one object", quoted(parsed)));
    return true;
  }

 private:
  static constexpr int kDeepest = 16;
  std::vector<std::set<std::string>> keys_;
};

void read_header(Object& top) {
  std::string format, comment;
  top.field("format", Need::required, format);
  if (format != kFormat)
    wrong("format", fmt::format("expected '{}', got '{}': is this another file?", kFormat, format));
  std::uint64_t version = 0;
  top.field("version", Need::required, version);
  if (version != kVersion)
    wrong("version", fmt::format("this program reads version {}, the file is of version {}; save "
                                 "it anew with 'espalier probe --save'",
                                 kVersion, version));
  top.field("comment", Need::optional, comment);  // for people; not kept
}

}  // namespace

Result<Inventory> inventory_from_json(std::string_view text) {
  try {
    Guard guard;
    const Json json = Json::parse(text, std::ref(guard));
    Object top(json, "");
    read_header(top);
    Inventory result;
    top.field("dataplane", Need::required, kDataplanes, result.dataplane);
    top.list("backends", Need::required, result.backends, &read_backend);
    top.list("refusals", Need::optional, result.refusals, &read_refusal);
    top.list("load", Need::optional, result.load, &read_load);
    top.done();
    return result;
  } catch (const Wrong& error) {
    return fail(ErrorCode::invalid, fmt::format("inventory: {}", error.what()));
  } catch (const Json::exception& error) {
    const std::string_view words = error.what();  // "[json.exception...] where and what"
    const std::size_t start = words.find("] ");
    return fail(ErrorCode::invalid,
                fmt::format("inventory: not JSON: {}",
                            words.substr(start == words.npos ? 0 : start + 2, 300)));
  }
}

}  // namespace espalier
