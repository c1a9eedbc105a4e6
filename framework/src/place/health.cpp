// SPDX-License-Identifier: Apache-2.0
#include "place/health.hpp"

#include <algorithm>

namespace espalier {

bool DeviceHealth::lost(const DeviceName& device, std::string_view why, TimePoint now) {
  auto& record = records_[device];
  if (record.trust != Trust::trusted) return false;
  if (now - record.back >= kLongest) record.backoff = {};
  quarantine(record, why, now);
  return true;
}

void DeviceHealth::probe_failed(const DeviceName& device, std::string_view why, TimePoint now) {
  quarantine(records_[device], why, now);
}

void DeviceHealth::probe_passed(const DeviceName& device, TimePoint now) {
  auto& record = records_[device];
  record.trust = Trust::probation;
  record.back = now;
  find_next_due();
}

void DeviceHealth::proven(const DeviceName& device) {
  if (records_.empty()) return;
  const auto it = records_.find(device);
  if (it != records_.end()) it->second.trust = Trust::trusted;
}

std::vector<DeviceName> DeviceHealth::due(TimePoint now) const {
  std::vector<DeviceName> devices;
  for (const auto& [device, record] : records_) {
    if (record.trust == Trust::quarantined && record.until <= now) devices.push_back(device);
  }
  return devices;
}

DeviceHealth::Trust DeviceHealth::trust(const DeviceName& device) const {
  const auto it = records_.find(device);
  return it == records_.end() ? Trust::trusted : it->second.trust;
}

void DeviceHealth::quarantine(Record& record, std::string_view why, TimePoint now) {
  record.trust = Trust::quarantined;
  record.why = why;
  record.backoff = record.backoff.count() == 0 ? kFirst : std::min(record.backoff * 2, kLongest);
  record.until = now + record.backoff;
  find_next_due();
}

void DeviceHealth::find_next_due() {
  next_due_.reset();
  for (const auto& [device, record] : records_) {
    if (record.trust != Trust::quarantined) continue;
    next_due_ = next_due_ ? std::min(*next_due_, record.until) : record.until;
  }
}

}  // namespace espalier
