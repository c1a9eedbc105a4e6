// SPDX-License-Identifier: Apache-2.0
#include "steer/driver_choice.hpp"

#include "steer/expression.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace espalier::steer {
namespace {

constexpr std::string_view kParallel = "pcrypt";
constexpr std::uint32_t kHighest = std::numeric_limits<std::int32_t>::max();  // the kernel's type
constexpr std::uint32_t kLead = 1000;  // so that one ahead is not overtaken by a new driver

// net/xfrm/xfrm_algo.c: what puts the IV into the packet.
std::string_view iv_generator(Cipher cipher) {
  switch (cipher) {
    case Cipher::null:
      return "";
    case Cipher::aes_cbc:
    case Cipher::des3_cbc:
      return "echainiv";
    case Cipher::aes_ctr:
    case Cipher::aes_gcm:
    case Cipher::chacha20_poly1305:
    case Cipher::aes_gmac:
      return "seqiv";
  }
  return "";
}

// What is within `root(...)`; all of it, if it is of another root.
Expression without(const Expression& e, std::string_view root) {
  return e.root == root && e.arguments.size() == 1 ? Expression(e.arguments.front()) : e;
}

// A name that is put together otherwise than it is written: crypto/gcm.c makes gcm of CTR and
// GHASH.
std::optional<Expression> made_of(const Expression& name) {
  if (name.root != "gcm" || name.arguments.size() != 1) return std::nullopt;
  return Expression{"gcm_base", {{"ctr", name.arguments}, {"ghash", {}}}};
}

class Chooser {
 public:
  explicit Chooser(std::span<const Algorithm> registered) : registered_(registered) {}

  // The driver that the kernel would take for a name, made of others where there is none yet. Not
  // one that spreads over CPUs, which somebody has added.
  std::optional<std::string> own_choice(const Expression& name) const {
    const std::string text = name.text();
    const Algorithm* best = nullptr;
    for (const Algorithm& each : registered_) {
      if (each.name != text || !each.is_for_all()) continue;
      if (each.driver.find("pcrypt(") != std::string::npos) continue;
      if (best == nullptr || each.priority > best->priority) best = &each;
    }
    if (best != nullptr) return best->driver;
    if (const auto parts = made_of(name)) return own_choice(*parts);
    if (name.is_leaf()) return std::nullopt;
    return with_arguments(name, [&](const Expression& part) { return own_choice(part); });
  }

  // A driver of `name` in which `driver` does its part; nothing if it has none.
  std::optional<std::string> with_driver(const Expression& name, const Algorithm& driver) const {
    if (name.text() == driver.name) return driver.driver;
    if (const auto parts = made_of(name)) return with_driver(*parts, driver);
    for (const Expression& part : name.arguments) {
      const auto inner = with_driver(part, driver);
      if (!inner) continue;
      return with_arguments(
          name, [&](const Expression& each) { return &each == &part ? inner : own_choice(each); });
    }
    return std::nullopt;
  }

  // Whether drivers put together can make a driver of `name`. One that is not registered may be:
  // the kernel loads the module of such a part by itself.
  bool may_do(const Expression& drivers, const Expression& name) const {
    if (const auto* known = find_driver(registered_, drivers.text()))
      return known->name == name.text() && known->is_for_all();
    if (drivers.is_leaf()) return true;
    if (const auto parts = made_of(name); parts && may_do(drivers, *parts)) return true;
    return drivers.root == name.root &&
           std::ranges::equal(drivers.arguments, name.arguments,
                              [&](const auto& a, const auto& b) { return may_do(a, b); });
  }

 private:
  template <class Fill>
  std::optional<std::string> with_arguments(const Expression& name, Fill&& fill) const {
    Expression filled{name.root, {}};
    for (const Expression& part : name.arguments) {
      const auto driver = fill(part);
      if (!driver) return std::nullopt;
      filled.arguments.push_back({*driver, {}});
    }
    return filled.text();
  }

  std::span<const Algorithm> registered_;
};

Expression with_iv_generator(std::string_view generator, Expression aead) {
  if (generator.empty()) return aead;
  return {std::string(generator), {std::move(aead)}};
}

// The transform without what puts the IV in: "authencesn(hmac(sha1),cbc(aes))".
Expression aead_name(const Transform& transform, bool esn) {
  const TransformInfo* info = transform_info(transform);
  if (info == nullptr) return {};
  auto name = parse_expression(info->kernel_name);
  if (esn && name->root == "authenc") name->root = "authencesn";
  return *name;
}

Result<std::string> aead_driver(const Expression& aead, const Expression& wanted,
                                std::span<const Algorithm> registered) {
  const Chooser chooser(registered);
  const std::string text = wanted.text();
  if (wanted == aead) {
    if (auto own = chooser.own_choice(aead)) return *own;
    return fail(ErrorCode::not_found,
                fmt::format("the kernel has no driver of {} yet: load the module of one", text));
  }
  if (const Algorithm* driver = find_driver(registered, text)) {
    if (!driver->is_for_all())
      return fail(ErrorCode::unsupported,
                  fmt::format("{} is for other drivers of the kernel only", text));
    if (auto found = chooser.with_driver(aead, *driver)) return *found;
    return fail(ErrorCode::unsupported,
                fmt::format("{} does {}, which is no part of {}, or what is to do the rest is not "
                            "loaded",
                            text, driver->name, aead.text()));
  }
  if (wanted.is_leaf())
    return fail(ErrorCode::not_found,
                fmt::format("the kernel has no driver {}: its module may have to be loaded "
                            "(/proc/crypto lists what there is)",
                            text));
  if (chooser.may_do(wanted, aead)) return text;
  return fail(ErrorCode::unsupported,
              fmt::format("{} does not make a driver of {}", text, aead.text()));
}

// Whether the one is at work on top of the other: "pcrypt(x)" on x.
bool is_within(std::string_view part, std::string_view driver) {
  return driver.find(fmt::format("({})", part)) != driver.npos;
}

}  // namespace

std::string esp_algorithm(const Transform& transform, bool esn) {
  return with_iv_generator(iv_generator(transform.cipher), aead_name(transform, esn)).text();
}

Result<Binding> choose_driver(const Transform& transform, bool esn, std::string_view wanted,
                              std::span<const Algorithm> registered) {
  const Expression aead = aead_name(transform, esn);
  if (aead.root.empty())
    return fail(ErrorCode::unsupported,
                fmt::format("the kernel has no name for {}", to_string(transform)));
  auto asked = parse_expression(wanted);
  if (!asked) return std::unexpected(asked.error());
  const std::string_view iv = iv_generator(transform.cipher);
  *asked = without(*asked, iv);
  const bool parallel = asked->root == kParallel && asked->arguments.size() == 1;
  if (parallel) *asked = without(without(*asked, kParallel), iv);
  const auto base = aead_driver(aead, *asked, registered);
  if (!base) return std::unexpected(base.error());

  Binding binding{esp_algorithm(transform, esn), with_iv_generator(iv, {*base, {}}).text()};
  if (parallel) {
    binding.driver = fmt::format("{}({})", kParallel, binding.driver);
    binding.rests_at = 0;
    binding.min_replay_window = kWindowWherePacketsOvertake;
  }
  if (binding.driver.size() > kLongestDriver)
    return fail(
        ErrorCode::unsupported,
        fmt::format("the driver would be {}, a name of {} characters, and the kernel's crypto "
                    "netlink takes {} at most",
                    binding.driver, binding.driver.size(), kLongestDriver));
  return binding;
}

std::uint32_t replay_window_for(const Binding& binding, Direction direction, std::uint32_t wanted) {
  return direction == Direction::outbound ? 0 : std::max(wanted, binding.min_replay_window);
}

Result<std::vector<Priority>> to_be_first(std::string_view driver,
                                          std::span<const Algorithm> of_one_name,
                                          std::span<const Priority> resting) {
  std::vector<Priority> changes;
  const Algorithm* self = find_driver(of_one_name, driver);
  const std::uint32_t own = self == nullptr ? 0 : self->priority;
  std::optional<std::uint32_t> others;
  for (const Algorithm& each : of_one_name) {
    if (each.driver == driver) continue;
    const auto rests = std::ranges::find(resting, each.driver, &Priority::driver);
    const std::uint32_t low = rests == resting.end() ? 0 : rests->value;
    const bool may = rests != resting.end() || is_within(driver, each.driver);
    const bool gives_way = may && each.priority >= own && low < each.priority;
    if (gives_way) changes.push_back({each.driver, low});
    others = std::max(others.value_or(0), gives_way ? low : each.priority);
  }
  // Of equal ones the kernel takes the first in its list, which nobody can see.
  if (!others || own > *others) return changes;
  if (*others > kHighest - kLead)
    return fail(ErrorCode::conflict,
                fmt::format("somebody has given another driver beside {} the priority {}, which "
                            "nothing can be ahead of",
                            driver, *others));
  changes.push_back({std::string(driver), *others + kLead});
  return changes;
}

Inference infer(std::string_view wanted, std::span<const Algorithm> before,
                std::span<const Algorithm> after) {
  const auto users = [](std::span<const Algorithm> all, std::string_view driver) {
    const Algorithm* found = find_driver(all, driver);
    return std::int64_t{found == nullptr ? 0 : found->refcnt};
  };
  if (find_driver(before, wanted) == nullptr || find_driver(after, wanted) == nullptr)
    return {false, fmt::format("{} has gone meanwhile", wanted)};
  const std::int64_t more = users(after, wanted) - users(before, wanted);
  if (more != 1)
    return {false, fmt::format("{} has {} users more than before the SA, and 1 would be its",
                               wanted, more)};
  for (const Algorithm& each : after) {
    // A user of "pcrypt(x)" is one of x as well.
    const bool within = is_within(each.driver, wanted);
    const std::int64_t expected = within || each.driver == wanted ? 1 : 0;
    if (users(after, each.driver) != users(before, each.driver) + expected)
      return {false,
              fmt::format("the users of {}, which does the same, changed as well: others add "
                          "and remove SAs",
                          each.driver)};
  }
  return {true, ""};
}

}  // namespace espalier::steer
