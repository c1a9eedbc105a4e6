// SPDX-License-Identifier: Apache-2.0
#include <select/limits.hpp>

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <tuple>

namespace espalier {
namespace {

Reason reason_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::capacity:
      return Reason::capacity_sas;
    case ErrorCode::transient:
      return Reason::refused_transient;
    case ErrorCode::lost:
      return Reason::device_lost;
    case ErrorCode::permission:
      return Reason::refused_permission;
    case ErrorCode::invalid:
      return Reason::refused_invalid;
    default:
      return Reason::refused_by_device;
  }
}

}  // namespace

std::vector<const Refusal*> refusals_for(const SaSpec& sa, const Inventory& inventory) {
  std::vector<const Refusal*> result;
  for (const Refusal& refusal : inventory.refusals)
    if (refusal.sa.empty() || refusal.sa == sa.name) result.push_back(&refusal);
  return result;
}

Finding check_refusals(std::string_view backend, std::string_view device,
                       const std::vector<const Refusal*>& refusals) {
  const auto key = [](const Refusal& refusal) {
    return std::tie(refusal.code, refusal.sa, refusal.words);
  };
  const Refusal* gravest = nullptr;
  for (const Refusal* const refusal : refusals) {
    if (refusal->backend != backend || refusal->device != device) continue;
    if (gravest == nullptr || key(*refusal) < key(*gravest)) gravest = refusal;
  }
  if (gravest == nullptr) return {};
  const char* const scope = gravest->sa.empty() ? "refused earlier" : "refused this SA earlier";
  std::string sentence = scope;
  if (!gravest->words.empty()) sentence += fmt::format(": \"{}\"", gravest->words);
  return {reason_of(gravest->code), std::move(sentence)};
}

Finding check_policy_limit(std::string_view backend, const Inventory& inventory,
                           const Policy& policy) {
  std::optional<std::uint64_t> limit;
  for (const BackendLimit& item : policy.limits)
    if (item.backend == backend) limit = std::min(limit.value_or(item.max_sas), item.max_sas);
  if (!limit) return {};
  std::uint64_t sas = 0;
  for (const BackendLoad& load : inventory.load)
    if (load.backend == backend) sas += load.sas;
  Finding result;
  result.numbers = {{"sas by policy", sas, *limit}};
  if (sas < *limit) return result;
  result.reason = Reason::policy_limit;
  result.sentence = fmt::format("has {} of the {} SAs that the policy allows it", sas, *limit);
  return result;
}

Finding check_pools(Direction direction, const Device& device) {
  std::vector<const CapacityPool*> pools;
  for (const CapacityPool& pool : device.pools) {
    const bool known = pool.kind == PoolKind::sas
                           ? pool.use != PoolUse::unknown
                           : pool.kind == PoolKind::mbps && pool.use == PoolUse::live;
    const bool counts = known && pool.capacity != kUnlimited &&
                        (pool.directions & static_cast<std::uint32_t>(direction)) != 0;
    if (counts) pools.push_back(&pool);
  }
  std::ranges::sort(pools, {}, [](const CapacityPool* pool) {
    return std::tuple(std::string_view(pool->name), pool->kind, pool->capacity, pool->used);
  });
  Finding result;
  for (const CapacityPool* const pool : pools) {
    const bool sas = pool->kind == PoolKind::sas;
    result.numbers.push_back({fmt::format("{} in pool {}", sas ? "sas" : "Mbit/s", pool->name),
                              pool->used, pool->capacity});
    if (pool->used < pool->capacity || !result.fits()) continue;
    result.reason = sas ? Reason::capacity_sas : Reason::capacity_throughput;
    result.sentence = fmt::format("its pool {} is full: {} of {} {}", pool->name, pool->used,
                                  pool->capacity, sas ? "SAs" : "Mbit/s");
  }
  return result;
}

}  // namespace espalier
