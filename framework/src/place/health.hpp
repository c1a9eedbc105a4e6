// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "place/device_name.hpp"

namespace espalier {

// Which devices were lost, and when each is tried again. A value: time is given to every call.
//
//   trusted --lost--> quarantined --its time is over, and the probe passes--> on probation
//                          ^                                                       |
//                          '----- the probe fails, or the first session does ------'
//                                                      on probation --session--> trusted
//
// The first quarantine lasts kFirst; each further one twice the one before, up to kLongest. A
// device that stayed back for kLongest begins anew.
class DeviceHealth {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds kFirst{1};
  static constexpr std::chrono::seconds kLongest{300};

  enum class Trust { trusted, quarantined, probation };
  struct Record {
    Trust trust = Trust::trusted;
    std::string why;
    std::chrono::seconds backoff{0};
    TimePoint until;  // quarantined: when it is probed
    TimePoint back;   // else: when it passed its probe
  };

  // The device stopped working. False, and nothing changed, if that is known already: it is
  // quarantined, or has had no session since it came back.
  bool lost(const DeviceName& device, std::string_view why, TimePoint now);
  // It did not pass its probe, or refused its first session as lost: quarantined for longer.
  void probe_failed(const DeviceName& device, std::string_view why, TimePoint now);
  // It passed its probe: may be given sessions again.
  void probe_passed(const DeviceName& device, TimePoint now);
  // It took a session.
  void proven(const DeviceName& device);

  // Quarantined devices whose time is over.
  std::vector<DeviceName> due(TimePoint now) const;
  bool any_due(TimePoint now) const noexcept { return next_due_ && *next_due_ <= now; }
  const std::map<DeviceName, Record>& records() const noexcept { return records_; }
  Trust trust(const DeviceName& device) const;

 private:
  void quarantine(Record& record, std::string_view why, TimePoint now);
  void find_next_due();

  std::map<DeviceName, Record> records_;  // of devices that were ever lost
  std::optional<TimePoint> next_due_;
};

}  // namespace espalier
