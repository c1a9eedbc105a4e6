// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <load/table_check.hpp>

#include <string_view>

namespace espalier::load {
namespace {

template <class T>
Result<void> check_size(const T& table, std::string_view name) {
  if (table.struct_size >= sizeof(T)) return {};
  return fail(ErrorCode::invalid,
              fmt::format("its {} says struct_size {}, but it has at least {} bytes", name,
                          table.struct_size, sizeof(T)));
}

struct Entry {
  bool present;
  std::string_view name;
};

Result<void> check_entries(std::initializer_list<Entry> entries, std::string_view table) {
  for (const Entry& entry : entries)
    if (!entry.present)
      return fail(ErrorCode::invalid, fmt::format("its {} has no {} function", table, entry.name));
  return {};
}

Result<void> check_userspace(const espalier_userspace* table, const Device& device) {
  if (table == nullptr)
    return fail(
        ErrorCode::invalid,
        fmt::format("it has a userspace device, '{}', but no userspace table", device.name));
  if (auto size = check_size(*table, "userspace table"); !size) return size;
  const auto& t = *table;
  return check_entries({{t.device_open != nullptr, "device_open"},
                        {t.device_close != nullptr, "device_close"},
                        {t.session_open != nullptr, "session_open"},
                        {t.session_close != nullptr, "session_close"},
                        {t.queue_open != nullptr, "queue_open"},
                        {t.queue_close != nullptr, "queue_close"},
                        {device.asynchronous || t.process != nullptr, "process"},
                        {!device.asynchronous || t.submit != nullptr, "submit"},
                        {!device.asynchronous || t.poll != nullptr, "poll"},
                        {!device.asynchronous || t.queue_quiesce != nullptr, "queue_quiesce"},
                        {!device.needs_dma || t.mem_attach != nullptr, "mem_attach"},
                        {!device.needs_dma || t.mem_detach != nullptr, "mem_detach"}},
                       "userspace table");
}

Result<void> check_kernel(const espalier_kernel* table, const Device& device) {
  if (table == nullptr)
    return fail(ErrorCode::invalid,
                fmt::format("it has a kernel device, '{}', but no kernel table", device.name));
  if (auto size = check_size(*table, "kernel table"); !size) return size;
  return check_entries({{table->recipe != nullptr, "recipe"}}, "kernel table");
}

}  // namespace

Result<void> check_table(const espalier_backend* table) {
  if (table == nullptr) return fail(ErrorCode::invalid, "it gave no backend table");
  if (auto size = check_size(*table, "backend table"); !size) return size;
  const auto& t = *table;
  return check_entries({{t.close != nullptr, "close"},
                        {t.enumerate != nullptr, "enumerate"},
                        {t.caps != nullptr, "caps"},
                        {t.pools != nullptr, "pools"},
                        {t.health != nullptr, "health"}},
                       "backend table");
}

Result<void> check_table_for(const espalier_backend& table, const Device& device) {
  return device.dataplane == Dataplane::userspace ? check_userspace(table.userspace, device)
                                                  : check_kernel(table.kernel, device);
}

}  // namespace espalier::load
