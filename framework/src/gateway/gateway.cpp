// SPDX-License-Identifier: Apache-2.0
#include <espalier/gateway.hpp>

#include "esp/on_wire.hpp"
#include "gateway/decision_pool.hpp"
#include "gateway/sa_refusals.hpp"
#include "gateway/selector_holders.hpp"
#include "gateway/told_refusals.hpp"
#include "gateway/used_keys.hpp"

#include <espalier/abi.h>

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

namespace espalier {

namespace {

using Clock = std::chrono::steady_clock;
using Kind = GatewayEvent::Kind;

// The name of an SA in engine and ledger: unique over rekeys, since old and new live side by side
// for a while.
std::string engine_name_of(const SaSpec& sa) { return fmt::format("{}#{:x}", sa.name, sa.spi); }
std::string_view public_name(std::string_view engine_name) {
  return engine_name.substr(0, engine_name.rfind('#'));
}

Home home_of(const Decision& decision) {
  const Candidate& chosen = decision.candidates[*decision.chosen];
  return {chosen.backend, chosen.device};
}

// Orders the engine's specs by the public name that stands in them.
struct ByPublicName {
  using is_transparent = void;
  static std::string_view name(const SaSpec* sa) { return public_name(sa->name); }
  static std::string_view name(std::string_view sa) { return sa; }
  bool operator()(const auto& a, const auto& b) const { return name(a) < name(b); }
};

// What the gateway keeps of an SA beside the engine's spec. There may be very many, so that nothing
// stands here twice. Keys stay for as long as the SA may have to move.
struct Entry {
  SaKeys keys;
  std::shared_ptr<const Decision> decision;
  bool homeless = false;  // its device is lost: its packets are dropped until another takes it
  bool told = false;      // that no other takes it

  Home home() const { return home_of(*decision); }
};

// A replaced inbound SA that still takes what is on its way, and moves as others do.
struct Retiring {
  const SaSpec* spec;  // the engine's
  Entry entry;
  Clock::time_point until;
};

// A shared decision as that of one SA.
std::shared_ptr<const Decision> named(const Decision& shared, std::string_view sa) {
  auto decision = std::make_shared<Decision>(shared);
  decision->sa = sa;
  return decision;
}

// The engine's answer in the words of people, who do not know its names.
Result<void> in_public_words(Result<void> answer, std::string_view engine_name) {
  if (answer) return answer;
  std::string& text = answer.error().message;
  for (auto at = text.find(engine_name); at != text.npos; at = text.find(engine_name, at))
    text.replace(at, engine_name.size(), public_name(engine_name));
  return answer;
}

// What the engine saw of an SA or a path, for people.
GatewayEvent told(const EngineEvent& event) {
  const std::string sa(public_name(event.sa));
  const auto stops = [&] {
    return fmt::format("SA '{}' carries nothing more: {}; rekey it.", sa, event.words);
  };
  switch (event.kind) {
    case EngineEvent::Kind::sequence_ended:
      return {Kind::sequence_ended, sa, stops()};
    case EngineEvent::Kind::hard_lifetime:
      return {Kind::hard_lifetime, sa, stops()};
    case EngineEvent::Kind::soft_lifetime:
      return {Kind::soft_lifetime, sa,
              fmt::format("SA '{}' is to be rekeyed: {}.", sa, event.words)};
    case EngineEvent::Kind::peer_moved:
      return {Kind::peer_moved, sa, fmt::format("SA '{}': {}.", sa, event.words)};
    case EngineEvent::Kind::port_gone:
      return {Kind::tun_gone, "", event.words};
    case EngineEvent::Kind::unknown_spi:
      return {Kind::peer_unknown_spi, "", event.words};
    default:
      return {Kind::path_mtu, "", event.words};
  }
}

// Whether an error of the engine is the answer of a device, so that another may do better.
bool is_a_devices(const Error& error) {
  return error.code == ErrorCode::capacity || error.code == ErrorCode::transient ||
         error.code == ErrorCode::lost || error.code == ErrorCode::permission;
}

}  // namespace

std::string_view to_string(GatewayEvent::Kind kind) noexcept {
  constexpr std::string_view names[] = {"sa.soft_lifetime", "sa.hard_lifetime", "sa.sequence_ended",
                                        "sa.moved",         "sa.homeless",      "sa.peer_moved",
                                        "sa.replaced",      "device.lost",      "device.back",
                                        "path.mtu",         "tun.gone",         "sa.refused",
                                        "peer.silent",      "peer.heard",       "peer.unknown_spi"};
  return names[std::size_t(kind)];
}

int log_level(GatewayEvent::Kind kind) noexcept {
  const bool good = kind == Kind::replaced || kind == Kind::device_back || kind == Kind::peer_heard;
  return good ? ESPALIER_LOG_INFO : ESPALIER_LOG_WARNING;
}

using Sas = std::map<const SaSpec*, Entry, ByPublicName>;

struct Gateway::Impl {
  Registry& registry;
  Placer& placer;
  Engine& engine;
  std::function<void(int, std::string_view)> log;
  Sas sas;
  SelectorHolders holders{};
  DecisionPool decisions;
  std::vector<Retiring> retiring;
  UsedKeys used_keys;
  bool any_homeless = false;
  std::uint64_t tried_in = 0;  // epoch of the placer in which all homeless SAs were tried
  SaSurroundings surroundings{[](const SaSpec&) { return Result<void>(); }, [](const SaSpec&) {}};
  std::vector<GatewayEvent> noticed{};  // since the last tending

  Result<Placement> place(const SaSpec& sa, const SaKeys& keys, std::optional<Home> home,
                          const std::function<Result<void>(Session)>& bring);
  Result<Sas::value_type> enter(const SaSpec& sa, SaKeys&& keys, std::string_view in_place_of = {});
  Result<void> leave(const SaSpec& sa, const Home& home);
  GatewaySa describe(const SaSpec& sa, const Entry& entry) const;
  void take_engine_events(std::vector<GatewayEvent>& done);
  void note_lost(const LostDevice& lost, std::vector<GatewayEvent>& done);
  void move_homeless(std::vector<GatewayEvent>& done);
  void end_graces(std::vector<GatewayEvent>& done);
  std::optional<GatewayEvent> move(const SaSpec& sa, Entry& entry);
};

Gateway::Gateway(Registry& registry, Placer& placer, Engine& engine,
                 std::function<void(int level, std::string_view text)> log)
    : impl_(new Impl{registry, placer, engine, std::move(log), {}, {}, {}, {}, {}}) {}
Gateway::~Gateway() = default;

void Gateway::surround(SaSurroundings surroundings) {
  impl_->surroundings = std::move(surroundings);
}

// Opens a session and brings it into the engine. A device that gives a session and then no queue
// has refused the SA, too: the next one is tried.
Result<Placement> Gateway::Impl::place(const SaSpec& sa, const SaKeys& keys,
                                       std::optional<Home> home,
                                       const std::function<Result<void>(Session)>& bring) {
  constexpr int kMostDevices = 16;
  for (int tries = 1;; ++tries) {
    auto placement = placer.place(sa, keys, home);
    if (!placement) return placement;
    auto brought = bring(std::move(placement->session));
    if (brought) {
      if (auto refused = told_of_refusals(sa.name, *placement->decision))
        noticed.push_back(std::move(*refused));
      return placement;
    }
    const Home by{placement->backend, placement->device};
    if (!is_a_devices(brought.error()) || tries == kMostDevices) {
      placer.release(sa, by);
      return std::unexpected(std::move(brought.error()));
    }
    placer.refused(sa, by, brought.error());
  }
}

// Places the SA and brings it into the engine; leaves nothing behind if either fails.
Result<Sas::value_type> Gateway::Impl::enter(const SaSpec& sa, SaKeys&& keys,
                                             std::string_view in_place_of) {
  const bool once = is_counter_mode(sa.transform.cipher);
  const std::uint64_t fingerprint = once ? used_keys.fingerprint(keys) : 0;
  if (once && used_keys.contains(fingerprint)) return std::unexpected(keys_have_served(sa));
  if (const SaSpec* taken = engine.same_on_wire(sa))
    return std::unexpected(esp::spi_taken(sa, *taken, public_name(taken->name)));
  if (auto brought = surroundings.bring(sa); !brought) return std::unexpected(brought.error());
  SaSpec unique = sa;
  unique.name = engine_name_of(sa);
  auto placement = place(sa, keys, std::nullopt, [&](Session session) {
    return in_public_words(engine.add(unique, std::move(session), in_place_of), unique.name);
  });
  if (!placement) {
    surroundings.take(sa);
    return std::unexpected(placement.error());
  }
  if (once) used_keys.insert(fingerprint);
  const SaSpec* const kept = engine.spec(unique.name);
  return Sas::value_type(kept, Entry{std::move(keys), decisions.share(*placement->decision)});
}

// The engine's spec goes with the SA.
Result<void> Gateway::Impl::leave(const SaSpec& sa, const Home& home) {
  placer.release(sa, home);
  const SaSpec gone = sa;
  auto removed = engine.remove(gone.name);
  surroundings.take(gone);
  return removed;
}

Result<std::shared_ptr<const Decision>> Gateway::add(const SaSpec& sa, SaKeys&& keys) {
  if (impl_->sas.contains(sa.name)) return std::unexpected(name_taken(sa.name));
  auto entry = impl_->enter(sa, std::move(keys));
  if (!entry) return std::unexpected(entry.error());
  auto decision = named(*entry->second.decision, sa.name);
  impl_->holders.add(*entry->first);
  impl_->sas.insert(std::move(*entry));
  return decision;
}

Result<void> Gateway::check_overlap(const SaSpec& sa, std::string_view replaced) const {
  const SaSpec* other = impl_->holders.to_another_peer(
      sa, [&](const SaSpec& held) { return public_name(held.name) == replaced; });
  if (other == nullptr) return {};
  return fail(
      ErrorCode::conflict,
      fmt::format("SA '{}' to {} would take the traffic of SA '{}' to {}, which has the "
                  "same selector; delete that one first, or give them selectors that "
                  "differ",
                  sa.name, to_string(sa.peer), public_name(other->name), to_string(other->peer)));
}

Result<void> Gateway::remove(std::string_view sa) {
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) return std::unexpected(no_such_sa(sa));
  const auto left = impl_->sas.extract(found);
  impl_->holders.remove(*left.key());
  return impl_->leave(*left.key(), left.mapped().home());
}

Result<std::shared_ptr<const Decision>> Gateway::rekey(std::string_view old_name, const SaSpec& sa,
                                                       SaKeys&& keys,
                                                       std::chrono::milliseconds grace) {
  const auto found = impl_->sas.find(old_name);
  if (found == impl_->sas.end()) return std::unexpected(no_such_sa(old_name));
  const SaSpec& old = *found->first;
  const bool taken = sa.name != old_name && impl_->sas.contains(sa.name);
  if (auto fits = check_successor(old, old_name, sa, taken); !fits)
    return std::unexpected(fits.error());
  auto entry = impl_->enter(sa, std::move(keys), old.name);
  if (!entry) return std::unexpected(entry.error());
  impl_->holders.remove(old);
  impl_->holders.add(*entry->first);
  Entry replaced = std::move(impl_->sas.extract(found).mapped());
  auto decision = named(*entry->second.decision, sa.name);
  impl_->sas.insert(std::move(*entry));
  if (old.direction == Direction::inbound && grace.count() > 0) {
    impl_->retiring.push_back({&old, std::move(replaced), Clock::now() + grace});
  } else {
    static_cast<void>(impl_->leave(old, replaced.home()));
  }
  return decision;
}

GatewaySa Gateway::Impl::describe(const SaSpec& sa, const Entry& entry) const {
  GatewaySa one{sa, entry.decision, engine.status(sa.name).value_or(SaStatus{})};
  one.status.name = one.spec.name = public_name(sa.name);
  if (!entry.homeless) return one;
  one.status.backend = "none";
  one.status.device.clear();
  one.decision =
      std::make_shared<const Decision>(select(one.spec, placer.inventory(), placer.policy()));
  return one;
}

std::vector<GatewaySa> Gateway::list(std::string_view after, std::size_t most) const {
  std::vector<GatewaySa> some;
  for (auto sa = impl_->sas.upper_bound(after); sa != impl_->sas.end() && some.size() < most; ++sa)
    some.push_back(impl_->describe(*sa->first, sa->second));
  return some;
}

std::optional<GatewaySa> Gateway::find(std::string_view sa) const {
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) return std::nullopt;
  return impl_->describe(*found->first, found->second);
}

std::size_t Gateway::size() const noexcept { return impl_->sas.size(); }

std::vector<SaTraffic> Gateway::traffic() const {
  std::vector<SaTraffic> all;
  all.reserve(impl_->sas.size());
  for (const auto& [sa, entry] : impl_->sas)
    all.push_back(
        {public_name(sa->name), sa, impl_->engine.counters(sa->name).value_or(SaCounters{})});
  return all;
}

std::uint64_t Gateway::activity() const noexcept { return impl_->engine.activity(); }

Result<void> Gateway::send_dummy(std::string_view sa, std::uint32_t bytes) {
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) return fail(ErrorCode::not_found, fmt::format("no SA '{}'", sa));
  return impl_->engine.send_dummy(found->first->name, bytes);
}

Result<void> Gateway::send_keepalive(std::string_view sa) {
  const auto found = impl_->sas.find(sa);
  if (found == impl_->sas.end()) return fail(ErrorCode::not_found, fmt::format("no SA '{}'", sa));
  return impl_->engine.send_keepalive(found->first->name);
}

DropCounts Gateway::drops() const { return impl_->engine.drops(); }
Inventory Gateway::inventory() const { return impl_->placer.inventory(); }

// ---- tending ------------------------------------------------------------------------------------

std::vector<GatewayEvent> Gateway::tend() {
  std::vector<GatewayEvent> done = std::exchange(impl_->noticed, {});
  impl_->take_engine_events(done);
  impl_->placer.refresh();
  for (const LostDevice& lost : impl_->placer.take_lost()) impl_->note_lost(lost, done);
  for (const ReturnedDevice& each : impl_->placer.take_returned())
    done.push_back({Kind::device_back, "",
                    fmt::format("Device {} of backend {} is back and takes SAs again; those that "
                                "were moved off it stay where they are until they are rekeyed.",
                                each.device, each.backend)});
  impl_->move_homeless(done);
  impl_->end_graces(done);
  std::ranges::move(std::exchange(impl_->noticed, {}), std::back_inserter(done));
  for (const GatewayEvent& event : done) impl_->log(log_level(event.kind), event.text);
  return done;
}

void Gateway::Impl::take_engine_events(std::vector<GatewayEvent>& done) {
  for (const EngineEvent& event : engine.take_events()) {
    switch (event.kind) {
      case EngineEvent::Kind::device_lost:
        placer.report_lost(event.backend, event.device, event.words);
        note_lost({event.backend, event.device, event.words}, done);
        break;
      case EngineEvent::Kind::session_closed:
        placer.room_freed(event.backend, event.device);
        break;
      default:
        done.push_back(told(event));
    }
  }
}

void Gateway::Impl::note_lost(const LostDevice& lost, std::vector<GatewayEvent>& done) {
  registry.forget(lost.backend, lost.device);
  engine.give_up(lost.backend, lost.device);
  done.push_back(
      {Kind::device_lost, "",
       fmt::format("Device {} of backend {} is lost: {}.", lost.device, lost.backend, lost.why)});
  const auto look_at = [&](Entry& entry) {
    const Home home = entry.home();
    if (home.backend == lost.backend && home.device == lost.device)
      entry.homeless = any_homeless = true;
  };
  for (auto& [sa, entry] : sas) look_at(entry);
  for (Retiring& old : retiring) look_at(old.entry);
}

// Those that nobody took are not tried again before something has changed.
void Gateway::Impl::move_homeless(std::vector<GatewayEvent>& done) {
  if (!std::exchange(any_homeless, false)) return;
  const std::uint64_t now = placer.epoch();
  const bool changed = std::exchange(tried_in, now) != now;
  const auto look_at = [&](const SaSpec& sa, Entry& entry) {
    if (entry.homeless && (changed || !entry.told)) {
      if (auto event = move(sa, entry)) done.push_back(std::move(*event));
    }
    any_homeless |= entry.homeless;
  };
  for (auto& [sa, entry] : sas) look_at(*sa, entry);
  for (Retiring& old : retiring) look_at(*old.spec, old.entry);
}

// The SA's session is opened on the next device and swapped in by its worker. Where none takes it,
// the SA stays where it was and its packets are dropped (law 3) until one does.
std::optional<GatewayEvent> Gateway::Impl::move(const SaSpec& sa, Entry& entry) {
  const bool known = std::exchange(entry.told, true);
  SaSpec named = sa;
  const std::string& name = named.name = public_name(sa.name);
  const Home home = entry.home();
  auto placement = place(named, entry.keys, home, [&](Session session) {
    return in_public_words(engine.move(sa.name, std::move(session)), sa.name);
  });
  if (!placement) {
    if (known) return std::nullopt;
    return GatewayEvent{
        Kind::homeless, name,
        fmt::format("SA '{}' lost its device and no other takes it; its packets are "
                    "dropped until one does: {}",
                    name, placement.error().message)};
  }
  placer.moved(sa, home);
  // Said first: `home` looks into the decision that the entry is about to give up.
  GatewayEvent moved{
      Kind::moved, name,
      fmt::format("SA '{}' moved from {} to {}.", name, home.backend, placement->backend)};
  entry.homeless = entry.told = false;
  entry.decision = decisions.share(*placement->decision);
  return moved;
}

void Gateway::Impl::end_graces(std::vector<GatewayEvent>& done) {
  const auto now = Clock::now();
  std::erase_if(retiring, [&](const Retiring& old) {
    if (now < old.until) return false;
    const std::string name(public_name(old.spec->name));
    done.push_back({Kind::replaced, name,
                    fmt::format("The replaced SA behind '{}' has ended its grace.", name)});
    static_cast<void>(leave(*old.spec, old.entry.home()));
    return true;
  });
}

}  // namespace espalier
