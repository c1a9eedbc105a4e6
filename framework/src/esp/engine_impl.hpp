// SPDX-License-Identifier: Apache-2.0
//
// The control thread's side of the engine: what it owns, and its talk with the workers.
#pragma once

#include "esp/on_wire.hpp"
#include "esp/worker.hpp"

#include <espalier/engine.hpp>

#include <deque>
#include <list>
#include <map>
#include <memory_resource>
#include <thread>
#include <unordered_map>
#include <unordered_set>

namespace espalier {

namespace esp {

// A queue to a device, for one worker. `bindings` of it are open.
struct QueueEntry {
  std::unique_ptr<DeviceQueue> queue;
  std::shared_ptr<OpenDevice> device;
  std::uint32_t worker = 0;
  std::uint32_t bindings = 0;
  bool lost = false;
  bool leaving = false;  // its worker was told to let go of it
  bool attached = false;
};

// SAs are kept by the name that stands in them.
struct SaName {
  using is_transparent = void;
  static std::string_view of(const std::unique_ptr<SaState>& sa) { return sa->spec.name; }
  static std::string_view of(std::string_view name) { return name; }
};
struct SaNameHash : SaName {
  std::size_t operator()(const auto& sa) const noexcept {
    return std::hash<std::string_view>{}(of(sa));
  }
};
struct SaNameEqual : SaName {
  bool operator()(const auto& a, const auto& b) const noexcept { return of(a) == of(b); }
};

// What the control thread keeps of a worker.
struct WorkerWatch {
  std::deque<Command> unsent;  // for which its ring had no room
  std::uint64_t calls = 0;     // of devices, when it was last seen to go on
  DeviceQueue::TimePoint since{};
  bool hanging = false;
};

// An end of an SA's time.
struct Deadline {
  SaState* sa = nullptr;
  bool hard = false;
};

// What is known of the way to a peer.
struct KnownPath {
  std::uint32_t mtu = 0;
  DeviceQueue::TimePoint until{};
};

// A peer from which packets with unknown SPIs come.
struct Stranger {
  DeviceQueue::TimePoint since{};
  DeviceQueue::TimePoint last{};
  DeviceQueue::TimePoint quiet_until{};
};

// An SA that was removed and that workers still have to let go of.
struct LeavingSa {
  std::unique_ptr<SaState> state;
  std::uint32_t waiting_for = 0;
};

}  // namespace esp

struct Engine::Impl {
  EngineOptions options;
  esp::Wakeup control;
  std::vector<std::unique_ptr<esp::Worker>> workers;
  std::vector<esp::WorkerWatch> watches;  // one for each
  std::unique_ptr<esp::HandoffMatrix> handoff;
  std::list<esp::QueueEntry> queues;
  std::unordered_map<const esp::Binding*, std::unique_ptr<esp::Binding>>
      closing;                                   // sent for, not yet back
  std::pmr::unsynchronized_pool_resource nodes;  // of the sets of all SAs: malloc's take twice that
  std::pmr::unordered_set<std::unique_ptr<esp::SaState>, esp::SaNameHash, esp::SaNameEqual> sas{
      &nodes};
  std::unordered_map<const esp::SaState*, esp::LeavingSa> leaving;
  std::pmr::unordered_set<const SaSpec*, esp::OnWire, esp::OnWire> on_wire{&nodes};
  std::multimap<Endpoint, esp::OutboundSa*> followers;  // by the peer that they were made for
  std::multimap<esp::DeviceQueue::TimePoint, esp::Deadline> deadlines;
  std::map<IpAddress, esp::KnownPath> paths;
  std::pmr::map<IpAddress, std::uint32_t> peers{&nodes};  // how many SAs each has
  std::map<IpAddress, esp::Stranger> strangers;
  std::vector<EngineEvent> events;
  std::uint64_t commands = 0;  // that were given to workers
  std::vector<std::thread> threads;
  std::atomic<bool> stopping{false};

  Impl(const EngineOptions& given, esp::Wakeup wakeup)
      : options(given), control(std::move(wakeup)) {}
  ~Impl();
  void send(std::uint32_t worker, esp::Command command);
  void send_waiting(std::uint32_t worker);
  void reap();
  void watch_workers();
  void watch_lifetimes();
  void watch_paths();
  void enter(esp::SaState& sa);
  void forget(const esp::SaState& sa);
  void follow_peer(esp::SaState& inbound, const Endpoint& peer);
  void send_followers_to(const esp::SaState& inbound, const Endpoint& peer);
  Endpoint peer_now(const SaSpec& sa, std::string_view predecessor) const;
  void note_unknown_spi(const IpAddress& from, std::uint32_t spi);
  void narrow_path(const IpAddress& peer, std::uint32_t mtu);
  void set_path_mtu(const IpAddress& peer, std::uint32_t mtu);
  void set_longest(esp::SaState& sa, std::uint32_t path_mtu);
  Result<esp::SaState*> outbound(std::string_view sa) const;
  void give_up(const OpenDevice& device);
  void take(const esp::Reply& reply);
  void drop_if_unused(esp::QueueEntry& entry);
  Result<esp::QueueEntry*> queue_for(const std::shared_ptr<OpenDevice>& device,
                                     std::uint32_t worker);
  Result<std::unique_ptr<esp::Binding>> bind(const Transform& transform, Session session,
                                             std::uint32_t worker);
  Result<void> check_new(const SaSpec& sa, const Session& session) const;
  esp::QueueEntry& entry_of(const esp::DeviceQueue* queue);
  // Keeps a binding that a worker was told to let go of, until it says that it has.
  void retire(std::unique_ptr<esp::Binding> binding) {
    const esp::Binding* key = binding.get();
    closing.emplace(key, std::move(binding));
  }
  void keep_what_devices_hold();
  Result<void> stop();
};

}  // namespace espalier
