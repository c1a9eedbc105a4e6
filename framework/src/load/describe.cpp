// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/believe.hpp>
#include <load/describe.hpp>
#include <load/status.hpp>
#include <load/table_check.hpp>

#include <set>
#include <string_view>
#include <utility>

namespace espalier::load {
namespace {

// Calls a function of the ABI that fills a list, until all of it has fitted.
template <class T, class Call>
Result<std::vector<T>> read_list(std::string_view what, std::uint32_t limit, Call&& call) {
  std::uint32_t capacity = 16;
  for (int attempt = 0; attempt < 4; ++attempt) {
    T empty{};
    empty.struct_size = sizeof(T);
    std::vector<T> list(capacity, empty);
    std::uint32_t count = 0;
    Words words;
    const espalier_status status = call(list.data(), capacity, &count, words.message());
    if (status != ESPALIER_OK)
      return std::unexpected(refused(status, fmt::format("list its {}", what), words));
    if (count > limit)
      return fail(ErrorCode::invalid,
                  fmt::format("it says that it has {} {}, more than the {} that are believed",
                              count, what, limit));
    if (count <= capacity) {
      list.resize(count);
      return list;
    }
    capacity = count;
  }
  return fail(ErrorCode::transient, fmt::format("its number of {} does not stand still", what));
}

Result<void> read_health(const espalier_backend& table, Device& device) {
  espalier_health said{};
  said.struct_size = sizeof(said);
  const espalier_status status = table.health(table.self, device.id, &said);
  if (status == ESPALIER_OK) return believe(said, device);
  device.state = DeviceState::lost;
  device.state_reason = error_from(status, "its health could not be read").message;
  return {};
}

template <class Raw, class Value, class Call>
Result<std::vector<Value>> read_all(std::string_view what, std::uint32_t limit, Call&& call) {
  const auto list = read_list<Raw>(what, limit, std::forward<Call>(call));
  if (!list) return std::unexpected(list.error());
  std::vector<Value> values;
  for (const Raw& raw : *list) {
    auto value = believe(raw);
    if (!value) return std::unexpected(value.error());
    values.push_back(std::move(*value));
  }
  return values;
}

// A device that goes while it is being read is lost; that is no lie.
Result<void> read_details(const espalier_backend& table, Device& device) {
  if (auto health = read_health(table, device); !health) return health;
  if (device.state == DeviceState::lost) return {};
  auto caps = read_all<espalier_capability, Capability>(
      "capabilities", kMaxCapabilities, [&](auto* out, auto capacity, auto* count, auto* message) {
        return table.caps(table.self, device.id, out, capacity, count, message);
      });
  if (caps) {
    device.capabilities = std::move(*caps);
    auto pools = read_all<espalier_pool, CapacityPool>(
        "capacity pools", kMaxPools, [&](auto* out, auto capacity, auto* count, auto* message) {
          return table.pools(table.self, device.id, out, capacity, count, message);
        });
    if (pools) {
      device.pools = std::move(*pools);
      return {};
    }
    caps = std::unexpected(pools.error());
  }
  if (caps.error().code != ErrorCode::lost) return std::unexpected(caps.error());
  device.capabilities.clear();
  device.state = DeviceState::lost;
  device.state_reason = caps.error().message;
  return {};
}

}  // namespace

Result<std::vector<Device>> describe(const espalier_backend& table) {
  auto devices = read_all<espalier_device_info, Device>(
      "devices", kMaxDevices, [&](auto* out, auto capacity, auto* count, auto* message) {
        return table.enumerate(table.self, out, capacity, count, message);
      });
  if (!devices) return devices;
  std::set<std::string_view> names;
  std::set<std::uint64_t> ids;
  for (Device& device : *devices) {
    if (!names.insert(device.name).second)
      return fail(ErrorCode::invalid, fmt::format("it has two devices named '{}'", device.name));
    if (!ids.insert(device.id).second)
      return fail(ErrorCode::invalid, fmt::format("it has two devices of id {}", device.id));
    if (auto complete = check_table_for(table, device); !complete)
      return std::unexpected(complete.error());
    if (auto read = read_details(table, device); !read)
      return fail(read.error().code,
                  fmt::format("device '{}': {}", device.name, read.error().message));
  }
  return devices;
}

}  // namespace espalier::load
