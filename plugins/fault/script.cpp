// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <initializer_list>
#include <utility>

namespace espalier::fault {
namespace {

using Json = nlohmann::json;

[[noreturn]] void refuse(const std::string& words) {
  throw sdk::Refusal{ESPALIER_INVALID, "options of the fault backend: " + words};
}

template <class T>
using Names = std::initializer_list<std::pair<const char*, T>>;

constexpr Names<Call> kCalls = {{"device_open", Call::device_open},
                                {"session_open", Call::session_open},
                                {"queue_open", Call::queue_open},
                                {"quiesce", Call::quiesce}};
constexpr Names<Fault> kFaults = {{"fail", Fault::fail},
                                  {"bad_icv", Fault::bad_icv},
                                  {"leave_pending", Fault::leave_pending},
                                  {"done_without_work", Fault::done_without_work},
                                  {"corrupt", Fault::corrupt},
                                  {"drop", Fault::drop},
                                  {"twice", Fault::twice},
                                  {"foreign", Fault::foreign},
                                  {"lose", Fault::lose},
                                  {"change_cookie", Fault::change_cookie}};
constexpr Names<Order> kOrders = {
    {"fifo", Order::fifo}, {"reverse", Order::reverse}, {"random", Order::random}};
constexpr Names<espalier_status> kClasses = {
    {"unsupported", ESPALIER_UNSUPPORTED}, {"capacity", ESPALIER_CAPACITY},
    {"transient", ESPALIER_TRANSIENT},     {"lost", ESPALIER_LOST},
    {"permission", ESPALIER_PERMISSION},   {"invalid", ESPALIER_INVALID}};
constexpr Names<std::uint32_t> kStates = {{"up", ESPALIER_UP},
                                          {"down", ESPALIER_DOWN},
                                          {"degraded", ESPALIER_DEGRADED},
                                          {"gone", ESPALIER_GONE}};

template <class T>
T named(const std::string& key, const Json& value, const Names<T>& names) {
  std::string known;
  for (const auto& [name, meant] : names) {
    if (value.is_string() && value.get_ref<const std::string&>() == name) return meant;
    known += (known.empty() ? "" : ", ") + std::string(name);
  }
  refuse(key + " must be one of " + known);
}

std::uint64_t number(const std::string& key, const Json& value, std::uint64_t least) {
  constexpr std::uint64_t most = 1'000'000'000'000;
  if (value.is_number_integer() && value >= least && value <= most)
    return value.get<std::uint64_t>();
  refuse(key + " must be a whole number of " + std::to_string(least) + " to 10^12");
}

bool read_when(When& when, const std::string& key, const Json& value) {
  if (key == "after")
    when.after = number(key, value, 0);
  else if (key == "every")
    when.every = number(key, value, 1);
  else if (key == "times")
    when.times = number(key, value, 1);
  else if (key == "one_in")
    when.one_in = number(key, value, 1);
  else
    return false;
  return true;
}

// The tables of a list. read(rule, key, value) says whether it knows the key.
template <class Rule, class Read>
std::vector<Rule> rules(const std::string& list, const Json& value, const char* needed,
                        const Read& read) {
  if (!value.is_array()) refuse(list + " must be a list of tables");
  std::vector<Rule> all;
  for (const Json& table : value) {
    if (!table.is_object() || !table.contains(needed))
      refuse("each entry of " + list + " must be a table with " + needed);
    Rule rule;
    for (const auto& [key, entry] : table.items())
      if (!read(rule, key, entry) && !read_when(rule.when, key, entry))
        refuse(key + " is not known in " + list);
    all.push_back(rule);
  }
  return all;
}

std::vector<RefusalRule> read_refusals(const Json& value) {
  return rules<RefusalRule>("refuse", value, "call",
                            [](RefusalRule& rule, const std::string& key, const Json& entry) {
                              if (key == "call")
                                rule.call = named(key, entry, kCalls);
                              else if (key == "class")
                                rule.status = named(key, entry, kClasses);
                              else
                                return false;
                              return true;
                            });
}

std::vector<OpRule> read_ops(const Json& value) {
  return rules<OpRule>("ops", value, "fault",
                       [](OpRule& rule, const std::string& key, const Json& entry) {
                         if (key != "fault") return false;
                         rule.fault = named(key, entry, kFaults);
                         return true;
                       });
}

void read_option(Script& script, const std::string& key, const Json& value) {
  if (key == "backend" && value.is_string())
    script.backend = value;
  else if (key == "options" && value.is_object())
    script.backend_options = value.dump();
  else if (key == "seed")
    script.seed = number(key, value, 0);
  else if (key == "delay_us")
    script.delay = std::chrono::microseconds(number(key, value, 0));
  else if (key == "order")
    script.order = named(key, value, kOrders);
  else if (key == "accept")
    script.accept =
        static_cast<std::uint32_t>(std::min<std::uint64_t>(number(key, value, 1), 1U << 30));
  else if (key == "unplug_at")
    script.unplug_at = number(key, value, 0);
  else if (key == "back_after_ms")
    script.back_after = std::chrono::milliseconds(number(key, value, 0));
  else if (key == "health")
    script.health = named(key, value, kStates);
  else if (key == "refuse")
    script.refusals = read_refusals(value);
  else if (key == "ops")
    script.ops = read_ops(value);
  else
    refuse(key + " is not known, or not of the right type");
}

}  // namespace

Script read_script(std::string_view options) {
  const auto table = Json::parse(options, nullptr, false);
  if (!table.is_object()) refuse("no JSON object");
  Script script;
  for (const auto& [key, value] : table.items()) read_option(script, key, value);
  if (script.backend.empty() && !table.empty())
    refuse("backend is missing: name the one that shall have the faults, such as \"openssl\"");
  return script;
}

}  // namespace espalier::fault
