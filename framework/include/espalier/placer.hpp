// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/decision.hpp>
#include <espalier/registry.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace espalier {

// Where an SA lives now, and why. The session is keyed and open.
struct Placement {
  std::shared_ptr<const Decision> decision;
  std::string backend;
  std::string device;
  Session session;
};

// Carries decisions out: select, open the session, and on a refusal enter it into the snapshot and
// select again. Counts the SAs of each backend and pool, remembers refusals, quarantines lost
// devices with backoff. A full table is not asked again until something has left it. [control]
class Placer {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  Placer(Registry& registry, Policy policy, Clock clock = &std::chrono::steady_clock::now);
  ~Placer();
  Placer(const Placer&) = delete;
  Placer& operator=(const Placer&) = delete;

  // Fails, with the whole decision in the sentence, only when no backend took the SA.
  Result<Placement> place(const SaSpec& sa, const SaKeys& keys);

  // The SA has left (its session is destroyed by the caller): its room counts as free.
  void release(std::string_view sa);

  // The device stopped working: quarantined (first 1 s, doubling to 5 min), its SAs to be placed
  // again by the caller. A second report of the same loss changes nothing.
  void report_lost(std::string_view backend, std::string_view device, std::string_view why);

  // The snapshot that the next select() would see.
  Inventory inventory() const;
  const Policy& policy() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
