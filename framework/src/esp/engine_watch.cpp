// SPDX-License-Identifier: Apache-2.0
//
// What the control thread watches from outside of the workers: devices that hang, time that runs
// out, peers that move, paths that narrow.
#include "esp/engine_impl.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

namespace espalier {

using namespace esp;

namespace {

constexpr std::chrono::seconds kHang{2};  // inside one call of a device
constexpr std::chrono::minutes kPathAge{10};
// Packets with unknown SPIs: those of an SA that has just gone may be late; what lasts is told.
constexpr std::chrono::seconds kLate{1};
constexpr std::chrono::seconds kForgotten{10};
constexpr std::chrono::minutes kToldAgain{1};

}  // namespace

// Nobody can take a thread away from a device. But the others can be told, SAs that have not come
// to that worker can move, and a person can know.
void Engine::Impl::watch_workers() {
  const auto now = options.clock();
  for (std::uint32_t i = 0; i < workers.size(); ++i) {
    const DeviceQueue* in = workers[i]->calling();
    WorkerWatch& watch = watches[i];
    if (in == nullptr || watch.calls != workers[i]->calls()) {
      watch = {std::move(watch.unsent), workers[i]->calls(), now, false};
    } else if (!watch.hanging && now - watch.since > kHang) {
      watch.hanging = true;
      const OpenDevice& device = in->device();
      events.push_back(
          {EngineEvent::Kind::device_lost, device.backend(), device.info().name, "",
           fmt::format("it has not given worker {}'s thread back for {} s; what that "
                       "worker carries stands still until it does",
                       i, std::chrono::floor<std::chrono::seconds>(now - watch.since).count())});
      give_up(device);
    }
  }
}

// What the control thread watches of an SA beside its worker.
void Engine::Impl::enter(SaState& sa) {
  ++peers[sa.spec.peer.address];
  const auto now = options.clock();
  const auto put = [&](std::uint32_t seconds, bool hard) {
    if (seconds != 0) deadlines.emplace(now + std::chrono::seconds(seconds), Deadline{&sa, hard});
  };
  put(sa.spec.lifetime->soft_seconds, false);
  put(sa.spec.lifetime->hard_seconds, true);
  if (sa.direction == Direction::inbound) return;
  if (sa.spec.follow_peer) followers.emplace(sa.spec.peer, static_cast<OutboundSa*>(&sa));
  const auto path = paths.find(sa.told_peer().address);
  if (path != paths.end()) set_longest(sa, path->second.mtu);
}

void Engine::Impl::forget(const SaState& sa) {
  const auto peer = peers.find(sa.spec.peer.address);
  if (peer != peers.end() && --peer->second == 0) {
    strangers.erase(peer->first);
    peers.erase(peer);
  }
  const Lifetime& life = *sa.spec.lifetime;
  if (life.soft_seconds != 0 || life.hard_seconds != 0) {
    std::erase_if(deadlines, [&](const auto& entry) { return entry.second.sa == &sa; });
  }
  if (!sa.spec.follow_peer) return;
  const auto [first, last] = followers.equal_range(sa.spec.peer);
  const auto found = std::find_if(first, last, [&](const auto& f) { return f.second == &sa; });
  if (found != last) followers.erase(found);
}

void Engine::Impl::watch_lifetimes() {
  const auto now = options.clock();
  while (!deadlines.empty() && deadlines.begin()->first <= now) {
    const Deadline due = deadlines.begin()->second;
    deadlines.erase(deadlines.begin());
    if (due.sa->told_expired) continue;
    const Lifetime& life = *due.sa->spec.lifetime;
    using Kind = EngineEvent::Kind;
    events.push_back({due.hard ? Kind::hard_lifetime : Kind::soft_lifetime, "", "",
                      due.sa->spec.name,
                      fmt::format("the {} s of its {} lifetime are over",
                                  due.hard ? life.hard_seconds : life.soft_seconds,
                                  due.hard ? "hard" : "soft")});
    if (!due.hard) continue;
    due.sa->told_expired = true;
    send(due.sa->worker, {.kind = Command::Kind::expire, .sa = due.sa});
  }
}

// The SAs that were made for the same peer go where it is now.
void Engine::Impl::follow_peer(SaState& inbound, const Endpoint& peer) {
  inbound.moving->told = peer;
  std::string words = fmt::format("its peer sends from {} now", to_string(peer));
  const auto ready = options.before_follow(inbound.spec.peer, peer);
  if (!ready) words += fmt::format(", but is not followed there: {}", ready.error().message);
  events.push_back({EngineEvent::Kind::peer_moved, "", "", inbound.spec.name, std::move(words)});
  if (ready) send_followers_to(inbound, peer);
  if (!leaving.contains(&inbound)) {  // else its worker waits for nothing more
    send(inbound.worker, {.kind = Command::Kind::followed, .sa = &inbound});
  }
}

void Engine::Impl::send_followers_to(const SaState& inbound, const Endpoint& peer) {
  const auto [first, last] = followers.equal_range(inbound.spec.peer);
  for (auto follower = first; follower != last; ++follower) {
    OutboundSa& sa = *follower->second;
    if (sa.spec.local != inbound.spec.local) continue;
    sa.moving->told = peer;
    send(sa.worker, {.kind = Command::Kind::set_peer, .sa = &sa, .peer = peer});
    const auto path = paths.find(peer.address);
    set_longest(sa, path != paths.end() ? path->second.mtu : kMaxPacket);
  }
}

// Both stay among the followers of the peer that they were made for, wherever that is now.
Endpoint Engine::Impl::peer_now(const SaSpec& sa, std::string_view predecessor) const {
  const auto old = sas.find(predecessor);
  return old != sas.end() && (*old)->spec.peer == sa.peer ? (*old)->told_peer() : sa.peer;
}

// Of peers alone: anybody can send anything.
void Engine::Impl::note_unknown_spi(const IpAddress& from, std::uint32_t spi) {
  if (!peers.contains(from)) return;
  const auto now = options.clock();
  Stranger& stranger = strangers[from];
  if (now - stranger.last > kForgotten) stranger.since = now;
  stranger.last = now;
  if (now - stranger.since < kLate || now < stranger.quiet_until) return;
  stranger.quiet_until = now + kToldAgain;
  events.push_back({EngineEvent::Kind::unknown_spi, "", "", "",
                    fmt::format("The peer {} sends packets with SPI {:#010x}, which is of no SA "
                                "here: they are dropped. Check that both ends have the keys and "
                                "SPIs of the same run; two ends that were keyed apart need new "
                                "keys, both of them.",
                                to_string(from), spi)});
}

void Engine::Impl::narrow_path(const IpAddress& peer, std::uint32_t mtu) {
  const std::uint32_t least = least_path_mtu(peer.family);
  if (mtu < least && peer.family == Family::ipv6) return;  // it must not be believed (RFC 8201 4)
  KnownPath& path = paths.try_emplace(peer, KnownPath{kMaxPacket, {}}).first->second;
  if (mtu > path.mtu) return;  // older than what is known: nothing of that length is sent whole
  path.until = options.clock() + kPathAge;
  if (std::exchange(path.mtu, mtu) == mtu) return;
  set_path_mtu(peer, mtu);
  std::string words = fmt::format("the path to {} takes packets of {} bytes and no longer ones",
                                  to_string(peer), mtu);
  if (mtu < least) {
    words += fmt::format(
        "; since every path should take {}, those of up to that are sent so that "
        "they may be fragmented on it",
        least);
  }
  events.push_back({EngineEvent::Kind::path_mtu, "", "", "", std::move(words)});
}

void Engine::Impl::set_path_mtu(const IpAddress& peer, std::uint32_t mtu) {
  for (const auto& sa : sas) {
    if (sa->direction == Direction::outbound && sa->told_peer().address == peer) {
      set_longest(*sa, mtu);
    }
  }
}

void Engine::Impl::set_longest(SaState& sa, std::uint32_t path_mtu) {
  send(sa.worker, {.kind = Command::Kind::set_longest,
                   .sa = &sa,
                   .bytes = longest_inner(sa.spec, sa.layout, path_mtu)});
}

// A path may have become wider again (RFC 1191 6.3): after a while it is tried.
void Engine::Impl::watch_paths() {
  const auto now = options.clock();
  for (auto path = paths.begin(); path != paths.end();) {
    if (now < path->second.until) {
      ++path;
      continue;
    }
    set_path_mtu(path->first, kMaxPacket);
    path = paths.erase(path);
  }
}

}  // namespace espalier
