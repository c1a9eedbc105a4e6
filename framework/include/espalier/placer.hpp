// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <espalier/decision.hpp>
#include <espalier/registry.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace espalier {

// Where an SA lives now, and why. The session is keyed and open.
struct Placement {
  std::shared_ptr<const Decision> decision;
  std::string backend;
  std::string device;
  Session session;
};

// The device that took an SA, and why it.
struct Choice {
  std::shared_ptr<const Decision> decision;
  std::string backend;
  std::string device;
};

// The device on which an SA lives, as its placement named it.
struct Home {
  std::string_view backend;
  std::string_view device;
};

struct LostDevice {
  std::string backend;
  std::string device;
  std::string why;

  friend bool operator==(const LostDevice&, const LostDevice&) = default;
};

struct ReturnedDevice {
  std::string backend;
  std::string device;

  friend bool operator==(const ReturnedDevice&, const ReturnedDevice&) = default;
};

// Carries decisions out: select, open the session, and on a refusal enter it into the snapshot and
// select again. Counts the SAs of each backend and pool, remembers refusals, quarantines lost
// devices with backoff. A full table is not asked again until something has left it. Which SA lives
// where is the caller's knowledge; every placement is to be given back once, with moved() or
// release() or refused(). [control]
//
// The snapshot is read from the registry at construction, and anew when a backend reported an
// event, when a quarantine is over and once a second; between these, place() and release() keep its
// numbers up to date. All of that happens inside place() and refresh().
class Placer {
 public:
  using Clock = std::function<std::chrono::steady_clock::time_point()>;

  Placer(Registry& registry, Policy policy, Clock clock = &std::chrono::steady_clock::now,
         Dataplane dataplane = Dataplane::userspace);
  ~Placer();
  Placer(const Placer&) = delete;
  Placer& operator=(const Placer&) = delete;

  // Fails, with the whole decision in the sentence, only when no backend took the SA: `capacity` if
  // one may take it later, `unsupported` if none can, `invalid` if it was the request's fault. An
  // SA that has a `home` already may use its room there; that stays counted until moved().
  Result<Placement> place(const SaSpec& sa, const SaKeys& keys, std::optional<Home> home = {});

  // The same where a device is given an SA in another way than by a session: `attempt` sets it up,
  // and its error is the device's answer, but for ErrorCode::conflict and io, which no other device
  // would answer otherwise: they end the search.
  using Attempt = std::function<Result<void>(std::string_view backend, const Device& device)>;
  Result<Choice> place_by(const SaSpec& sa, const Attempt& attempt, std::optional<Home> home = {});

  // The SA was placed anew: its old room counts as free (but see room_freed).
  void moved(const SaSpec& sa, const Home& from);

  // The SA has left (its session is destroyed by the caller): its room counts as free.
  void release(const SaSpec& sa, const Home& home);

  // A session that an SA left behind when it moved is closed now: if the device refused others for
  // want of room, it may be asked again. release() says this itself.
  void room_freed(std::string_view backend, std::string_view device);

  // The device took the SA's session and then refused what else it needs (a queue, memory): counts
  // as its answer to the SA, so that the next place() goes elsewhere. The room is free again.
  void refused(const SaSpec& sa, const Home& by, const Error& error);

  // The device stopped working: quarantined (first 1 s, doubling to 5 min), its SAs to be placed
  // again by the caller. A second report of the same loss changes nothing.
  void report_lost(std::string_view backend, std::string_view device, std::string_view why);

  // Takes up events, reads health and pools, probes devices whose quarantine is over. To be called
  // now and then (once a second) where no SA is placed for long.
  void refresh();

  // Devices that were found lost since the last call by other ways than report_lost (by their
  // health, their mailbox, or a session that could not be opened): their SAs are to be placed
  // again.
  std::vector<LostDevice> take_lost();

  // Devices that were lost and, since the last call, have come back: they opened, and SAs are
  // placed on them again. Those that left stay where they are.
  std::vector<ReturnedDevice> take_returned();

  // Another number than before means that an SA that no backend took may be taken now: room was
  // freed, a refusal is over, devices came or came back, the policy is another one.
  std::uint64_t epoch() const noexcept;

  // The snapshot that the next select() would see.
  Inventory inventory() const;
  const Policy& policy() const noexcept;
  // For SAs placed from now on.
  void set_policy(Policy policy);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace espalier
