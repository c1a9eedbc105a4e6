// SPDX-License-Identifier: Apache-2.0
#include "observe/render.hpp"

#include "observe/sa_report.hpp"

#include <espalier/abi.h>
#include <espalier/transform.hpp>

#include <fmt/format.h>

#include <algorithm>

namespace espalier {
namespace {

struct Chosen {
  std::string backend;
  std::string device;
};

Chosen chosen_of(const Decision& decision) {
  if (!decision.chosen) return {};
  const Candidate& candidate = decision.candidates.at(*decision.chosen);
  return {candidate.backend, candidate.device};
}

std::string amount(std::uint64_t value) {
  return value == kUnlimited ? "unlimited" : fmt::to_string(value);
}

// "sas: 12 of 1024 (live)"
std::string pools_text(const Device& device) {
  std::string text;
  for (const CapacityPool& pool : device.pools) {
    if (pool.capacity == kUnlimited) continue;
    text += fmt::format("{}{}: {} of {} ({})", text.empty() ? "" : ", ", pool.name, pool.used,
                        amount(pool.capacity), to_string(pool.use));
  }
  return text;
}

bool supports(const Device& device, const Transform& transform) {
  const std::uint32_t key = transform.key_bits == 128   ? ESPALIER_KEY_128
                            : transform.key_bits == 192 ? ESPALIER_KEY_192
                            : transform.key_bits == 256 ? ESPALIER_KEY_256
                                                        : 0;
  return std::ranges::any_of(device.capabilities, [&](const Capability& c) {
    return c.cipher == transform.cipher && c.integrity == transform.integrity &&
           (c.key_bits & (key | ESPALIER_KEY_ANY)) != 0 &&
           (c.icv_bytes & ESPALIER_ICV(transform.icv_bytes)) != 0;
  });
}

std::string transforms_of(const Device& device) {
  const auto all = transforms();
  std::size_t count = 0;
  std::string text;
  for (const TransformInfo& info : all) {
    if (!supports(device, info.transform)) continue;
    ++count;
    text += fmt::format("{}{}", text.empty() ? "" : " ", info.name);
  }
  return count == all.size() ? fmt::format("all {}", count) : text;
}

std::string state_text(const Device& device, const TextStyle& style) {
  const std::string state = to_string(device.state);
  return device.state == DeviceState::up ? green(state, style) : red(state, style);
}

void append_device(std::string& out, const Device& device, const TextStyle& style) {
  out +=
      fmt::format("  {} ({}, {}): {}", bold(device.name, style), to_string(device.dataplane),
                  device.asynchronous ? "asynchronous" : "synchronous", state_text(device, style));
  if (!device.state_reason.empty()) out += ", " + device.state_reason;
  if (device.retry_in_ms > 0) out += fmt::format(", asked again in {} ms", device.retry_in_ms);
  out += '\n';
  if (!device.description.empty()) out += fmt::format("    {}\n", device.description);
  if (const std::string pools = pools_text(device); !pools.empty())
    out += fmt::format("    {}\n", pools);
  out += fmt::format("    transforms: {}\n", transforms_of(device));
}

void append_rejected(std::string& out, const BackendInfo& backend, const TextStyle& style) {
  out += fmt::format("{} {}, {}\n  {}\n", bold(backend.name, style), red("rejected", style),
                     backend.path, backend.rejected);
}

// What the kernel calls a drop of ours, or "-".
std::string kernels_name_of(std::string_view drop) {
  for (std::size_t i = 0; i < kDropKinds; ++i) {
    const auto one = static_cast<Drop>(i);
    if (to_string(one) == drop && !xfrm_name(one).empty()) return std::string(xfrm_name(one));
  }
  return "-";
}

}  // namespace

std::string render_plan(std::span<const PlannedSa> plan, const TextStyle& style) {
  if (plan.empty()) return "There are no SAs.\n";
  TextTable table({"SA", "TRANSFORM", "RULE", "BACKEND", "DEVICE", "OTHERS"});
  for (const auto& [spec, decision] : plan) {
    const Chosen chosen = chosen_of(decision);
    table.add({spec.name, to_string(spec.transform), decision.rule.empty() ? "-" : decision.rule,
               decision.chosen ? chosen.backend : "none", chosen.device,
               summary(passed_over(decision, chosen.backend, chosen.device))});
  }
  return table.render(style);
}

nlohmann::ordered_json plan_json(std::span<const PlannedSa> plan) {
  auto decisions = nlohmann::ordered_json::array();
  for (const PlannedSa& planned : plan)
    decisions.push_back(nlohmann::ordered_json::parse(to_json(planned.decision)));
  return {{"decisions", decisions}};
}

std::string render_inventory(const Inventory& inventory, const TextStyle& style) {
  std::string out;
  for (const BackendInfo& backend : inventory.backends) {
    if (!backend.rejected.empty()) continue;
    out += fmt::format("{}{}{}, {}\n", bold(backend.name, style),
                       backend.version.empty() ? "" : " " + backend.version,
                       backend.vendor.empty() ? "" : " by " + backend.vendor, backend.path);
    if (backend.devices.empty()) out += "  no devices on this machine\n";
    for (const Device& device : backend.devices) append_device(out, device, style);
  }
  for (const BackendInfo& backend : inventory.backends)
    if (!backend.rejected.empty()) append_rejected(out, backend, style);
  return out.empty() ? "There are no backends.\n" : out;
}

std::string render_transforms(const TextStyle& style) {
  TextTable table({"NAME", "ALIAS", "IANA", ">KEY", ">SALT", ">IV", ">ICV", "WARNING"});
  for (const TransformInfo& info : transforms())
    table.add({std::string(info.name), std::string(info.alias), std::string(info.iana),
               fmt::to_string(info.cipher_key_bytes + info.integrity_key_bytes),
               fmt::to_string(info.salt_bytes), fmt::to_string(info.iv_bytes),
               fmt::to_string(info.transform.icv_bytes), std::string(info.warning)});
  return table.render(style);
}

nlohmann::ordered_json transforms_json() {
  auto list = nlohmann::ordered_json::array();
  for (const TransformInfo& info : transforms())
    list.push_back({{"name", info.name},
                    {"alias", info.alias},
                    {"iana", info.iana},
                    {"kernel_name", info.kernel_name},
                    {"key_bits", info.transform.key_bits},
                    {"cipher_key_bytes", info.cipher_key_bytes},
                    {"salt_bytes", info.salt_bytes},
                    {"integrity_key_bytes", info.integrity_key_bytes},
                    {"iv_bytes", info.iv_bytes},
                    {"icv_bytes", info.transform.icv_bytes},
                    {"block_bytes", info.block_bytes},
                    {"warning", info.warning}});
  return {{"transforms", list}};
}

nlohmann::ordered_json drops_json(const DropCounts& counts) {
  auto value = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < counts.size(); ++i)
    value[std::string(to_string(static_cast<Drop>(i)))] = counts[i];
  return value;
}

nlohmann::ordered_json xfrm_stat_json(const DropCounts& counts) {
  auto value = nlohmann::ordered_json::object();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const std::string name(xfrm_name(static_cast<Drop>(i)));
    if (!name.empty()) value[name] = value.value(name, std::uint64_t{0}) + counts[i];
  }
  return value;
}

nlohmann::ordered_json with_wire(nlohmann::ordered_json drops, const nlohmann::ordered_json& wire) {
  for (const auto& [name, count] : wire.items()) drops["wire: " + name] = count;
  return drops;
}

std::string render_drops(const nlohmann::ordered_json& counts, const TextStyle& style) {
  TextTable table({"DROPPED", ">PACKETS", "IN THE KERNEL"});
  for (const auto& [name, count] : counts.items())
    if (count.is_number_unsigned() && count.get<std::uint64_t>() > 0)
      table.add({name, fmt::to_string(count.get<std::uint64_t>()), kernels_name_of(name)});
  return table.empty() ? "No packet was dropped.\n" : table.render(style);
}

}  // namespace espalier
