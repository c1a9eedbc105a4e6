// SPDX-License-Identifier: Apache-2.0
#include "fake_kernel.hpp"

#include "steer/expression.hpp"

#include <algorithm>

namespace espalier::steer {

FakeKernel::FakeKernel() {
  add("rfc4106(gcm(aes))", "rfc4106-gcm-aesni-avx", 500);
  add("rfc4106(gcm(aes))", "rfc4106-gcm-aesni", 400);
  add("cbc(aes)", "cbc-aes-aesni", 400, "skcipher");
  add("aes", "aes-generic", 100, "cipher");
  add("ghash", "ghash-generic", 100, "shash");
  add("sha1", "sha1-generic", 100, "shash");
  add("sha256", "sha256-generic", 100, "shash");
  add("__rfc4106(gcm(aes))", "__rfc4106-gcm-aesni-avx", 500);
  algorithms.front().internal = true;
  settings["/sys/kernel/pcrypt/pencrypt/parallel_cpumask"] = "3";
}

void FakeKernel::add(const std::string& name, const std::string& driver, std::uint32_t priority,
                     const std::string& type) {
  Algorithm fresh;
  fresh.name = name;
  fresh.driver = driver;
  fresh.type = type;
  fresh.priority = priority;
  fresh.refcnt = 1;
  // Whoever does the same and is not better loses what is at work on top of it.
  std::vector<std::string> beaten;
  for (const Algorithm& each : algorithms)
    if (each.name == name && each.priority <= priority) beaten.push_back(each.driver);
  algorithms.insert(algorithms.begin(), fresh);
  for (const auto& each : beaten) take_away_on_top_of(each, driver);
}

// Whether a user of the one is a user of the other: of itself, and of what it is at work on.
static bool uses(const std::string& driver, const std::string& other) {
  return driver == other || driver.find('(' + other + ')') != std::string::npos;
}

Algorithm* FakeKernel::find(const std::string& driver) {
  const auto found = std::ranges::find(algorithms, driver, &Algorithm::driver);
  return found == algorithms.end() ? nullptr : &*found;
}

std::map<std::string, std::uint32_t> FakeKernel::priorities() const {
  std::map<std::string, std::uint32_t> all;
  for (const Algorithm& each : algorithms) all[each.driver] = each.priority;
  return all;
}

void FakeKernel::take_away_on_top_of(const std::string& driver, const std::string& but) {
  std::erase_if(algorithms, [&](const Algorithm& each) {
    if (each.driver == driver || each.driver == but) return false;
    return each.driver.find('(' + driver + ')') != std::string::npos ||
           each.driver.find('(' + driver + ',') != std::string::npos ||
           each.driver.find(',' + driver + ')') != std::string::npos;
  });
}

// What a driver put together is called, and its priority; nothing where a part of it is missing.
static std::optional<std::pair<std::string, std::uint32_t>> described(FakeKernel& kernel,
                                                                      const Expression& driver) {
  if (const Algorithm* known = kernel.find(driver.text()))
    return std::pair{known->name, known->priority};
  if (driver.is_leaf()) return std::nullopt;
  Expression name{driver.root, {}};
  std::uint32_t priority = 0;
  for (const Expression& part : driver.arguments) {
    const auto inner = described(kernel, part);
    if (!inner) return std::nullopt;
    name.arguments.push_back({inner->first, {}});
    priority = std::max(priority, inner->second);
  }
  if (driver.root == "pcrypt") return std::pair{name.arguments[0].root, priority + 100};
  std::string text = name.text();
  if (text == "gcm_base(ctr(aes),ghash)") text = "gcm(aes)";
  return std::pair{text, priority};
}

int FakeKernel::make(const std::string& driver, std::optional<std::uint32_t> priority) {
  if (find(driver) != nullptr) return EEXIST;
  const auto expression = parse_expression(driver);
  if (!expression) return EINVAL;
  const auto what = described(*this, *expression);
  if (!what) return ENOENT;
  for (const Expression& part : expression->arguments)
    if (!part.is_leaf()) (void)make(part.text(), std::nullopt);
  add(what->first, driver, what->second);
  if (priority) find(driver)->priority = *priority;
  return 0;
}

Result<CryptoReply> FakeKernel::exchange(const CryptoRequest& request) {
  CryptoReply reply;
  reply.ended = true;
  if (request.verb == CryptoVerb::dump) {
    reply.algorithms = algorithms;
    return reply;
  }
  if (request.verb == CryptoVerb::get) {
    if (const Algorithm* found = find(request.driver))
      reply.algorithms.push_back(*found);
    else
      reply.error = ENOENT;
    return reply;
  }
  if (on_change) on_change(request);
  requests.push_back(request);
  if (change_error != 0) {
    reply.error = change_error;
    return reply;
  }
  Algorithm* const there = find(request.driver);
  if (request.verb == CryptoVerb::make) {
    reply.error = make(request.driver, request.priority);
  } else if (there == nullptr) {
    reply.error = ENOENT;
  } else if (request.verb == CryptoVerb::set_priority) {
    there->priority = request.priority.value_or(there->priority);
    take_away_on_top_of(request.driver);
  } else if (there->refcnt > 1) {
    reply.error = EBUSY;
  } else {
    std::erase_if(algorithms, [&](const auto& each) { return each.driver == request.driver; });
  }
  return reply;
}

Result<std::string> FakeKernel::setting(const std::filesystem::path& file) {
  const auto found = settings.find(file);
  if (found == settings.end()) return fail(ErrorCode::not_found, "there is none");
  return found->second;
}

Result<void> FakeKernel::change_setting(const std::filesystem::path& file,
                                        const std::string& value) {
  settings[file] = value;
  return {};
}

Result<void> FakeKernel::load_module(const std::string& name) {
  const auto found = modules.find(name);
  if (found == modules.end()) return fail(ErrorCode::unsupported, "no module " + name);
  found->second(*this);
  loaded.insert(name);
  return {};
}

std::string FakeKernel::add_sa(const std::string& name) {
  Algorithm* best = nullptr;
  for (Algorithm& each : algorithms)
    if (each.name == name && !each.internal && (best == nullptr || each.priority > best->priority))
      best = &each;
  if (best == nullptr) return "";
  for (Algorithm& each : algorithms) each.refcnt += uses(best->driver, each.driver);
  return best->driver;
}

void FakeKernel::remove_sa(const std::string& driver) {
  if (find(driver) == nullptr) return;
  for (Algorithm& each : algorithms) each.refcnt -= uses(driver, each.driver);
}

}  // namespace espalier::steer
