// SPDX-License-Identifier: Apache-2.0
//
// A device that goes away under load, with options that its vendor gives for that; what becomes of
// what it had, and of it when it is back. And one that is DEGRADED.
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/traffic.hpp>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <optional>
#include <span>
#include <thread>
#include <utility>

namespace espalier::conform {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr auto kPatience = std::chrono::seconds(10);
constexpr auto kSilence = milliseconds(200);  // after which nothing more is expected
constexpr std::uint32_t kBurst = 64;

// What is said of the device by that id: GONE also where it is not known any more.
espalier_health health_of(Backend& backend, std::uint64_t id) {
  espalier_health said{};
  said.struct_size = sizeof said;
  const auto& t = backend.table();
  if (t.health(t.self, id, &said) == ESPALIER_LOST) said.state = ESPALIER_GONE;
  return said;
}

// A device with a session and a queue, which may go at any moment.
class Doomed {
 public:
  Doomed(Run& run, Backend& backend)
      : run_(run),
        backend_(backend),
        device_(run, backend_, backend_.device(run.job().device)),
        packets_(device_),
        traffic_(run, device_, packets_),
        lane_(device_) {}

  OpenedDevice& device() noexcept { return device_; }
  Traffic& traffic() noexcept { return traffic_; }
  Lane& lane() noexcept { return lane_; }
  std::uint32_t state() { return health_of(backend_, device_.info().id).state; }
  bool gone() { return state() == ESPALIER_GONE; }
  std::size_t deepest() const noexcept { return deepest_; }

  // Sends, `most` at a time in flight, until `enough()`, or for 10 s. False: that is over.
  template <class Enough>
  bool send_until(std::size_t most, Enough&& enough) {
    const auto until = Clock::now() + kPatience;
    while (!enough()) {
      if (Clock::now() > until) return false;
      send(most);
      if (!lane_.asynchronous() || (lane_.in_flight() == 0 && waiting_.empty())) renew();
    }
    return true;
  }

  // One call; what came of a synchronous burst is judged at once.
  void send(std::size_t most) {
    if (lane_.asynchronous()) {
      if (lane_.in_flight() >= most) lane_.poll(8);
      if (waiting_.empty() && traffic_.room() > kBurst)
        waiting_ = traffic_.some(std::min<std::size_t>(most, kBurst));
      const auto room = std::min(waiting_.size(), most - std::min(most, lane_.in_flight()));
      const auto taken = room == 0 ? 0 : lane_.submit(std::span(waiting_).first(room));
      sent_.insert(sent_.end(), waiting_.begin(), waiting_.begin() + taken);
      waiting_.erase(waiting_.begin(), waiting_.begin() + taken);
      deepest_ = std::max(deepest_, lane_.in_flight());
      if (taken < room) lane_.poll(8);
      return;
    }
    sent_ = traffic_.some(std::min<std::size_t>(most, kBurst));
    const auto status = device_.table().process(lane_.handle(), sent_.data(),
                                                static_cast<std::uint32_t>(sent_.size()));
    if (status != ESPALIER_OK && status != ESPALIER_LOST)
      run_.fail(Req::lost, "a device that goes away answers " + status_name(status));
    if (status == ESPALIER_OK) judge();
  }

  // Until nothing more comes back. What is back is the host's: it has to stay as it came.
  void collect() {
    if (!lane_.asynchronous()) return;
    std::vector<std::pair<const espalier_op*, Bytes>> back;
    for (auto until = Clock::now() + kSilence; Clock::now() < until;) {
      if (lane_.poll(kBurst) == 0) {
        std::this_thread::sleep_for(milliseconds(1));
        continue;
      }
      until = Clock::now() + kSilence;
      for (const espalier_op* op : lane_.came_back()) back.emplace_back(op, packet_of(*op));
    }
    for (const auto& [op, as_it_came] : back)
      if (packet_of(*op) != as_it_came)
        return run_.fail(Req::lost_whole, "a packet that came back " + op_status_name(op->status) +
                                              " from a device that is gone was written after that");
  }

  // Once the device is gone: what it still had is let go of, and not touched after that.
  void quiesce() {
    if (!lane_.asynchronous()) return;
    run_.at("quiescing a queue of a device that is gone");
    const auto& host = *backend_.host().table();
    const auto deadline = host.monotonic_ns(host.context) + 3'000'000'000;
    const auto status = device_.table().queue_quiesce(lane_.handle(), deadline);
    if (status != ESPALIER_OK)
      run_.stop(Req::lost, "its queue cannot be quiesced once it is gone: " + status_name(status));
    const auto packets = [&] {
      Bytes all;
      for (const espalier_op* op : sent_)
        std::ranges::copy(packet_of(*op), std::back_inserter(all));
      return all;
    };
    const Bytes before = packets();
    std::this_thread::sleep_for(kSilence);
    if (packets() != before)
      run_.stop(Req::lost, "after it was gone and queue_quiesce() said OK, packets were written");
    collect();  // anything that was back already is now back twice
    judge();
    lane_.forget();
  }

  // All that was given is back, and forgotten.
  void settle() {
    if (lane_.asynchronous()) lane_.drain();
    waiting_.clear();
    renew();
  }

  // DONE is believed of nothing that was not done.
  void judge() {
    for (std::size_t i = 0; i < sent_.size(); ++i)
      if (sent_[i]->status == ESPALIER_OP_DONE && !traffic_.is_right(*sent_[i]))
        return run_.fail(
            Req::lost_whole,
            fmt::format("packet {} of {} that were given to a device that goes away is "
                        "answered DONE, but its work is not done",
                        i, sent_.size()));
  }

 private:
  static Bytes packet_of(const espalier_op& op) { return Bytes(op.esp, op.esp + op.length); }

  void renew() {
    judge();
    sent_.clear();
    traffic_.forget();
  }

  Run& run_;
  Backend& backend_;
  OpenedDevice device_;
  PacketMemory packets_;
  Traffic traffic_;
  Lane lane_;
  std::vector<espalier_op*> waiting_;  // made, and not yet accepted
  std::vector<espalier_op*> sent_;
  std::size_t deepest_ = 0;
};

// Whether packets are carried by it as if nothing had been; else what is wrong. The case goes on.
std::string carries(OpenedDevice& device, Lane& lane, Traffic& traffic) {
  const auto ops = traffic.some(kBurst);
  if (!lane.asynchronous()) {
    const auto status = device.table().process(lane.handle(), ops.data(), kBurst);
    return status == ESPALIER_OK ? traffic.what_is_wrong()
                                 : fmt::format("process() answers {}", status_name(status));
  }
  std::size_t taken = 0;
  const auto until = Clock::now() + std::chrono::seconds(5);
  while (taken < ops.size() || lane.in_flight() != 0) {
    if (Clock::now() > until)
      return fmt::format("of {} packets {} were accepted and {} completed within 5 s", ops.size(),
                         taken, taken - lane.in_flight());
    if (taken < ops.size()) taken += lane.submit(std::span(ops).subspan(taken));
    lane.poll(kBurst);
  }
  return traffic.what_is_wrong();
}

// What is wrong with it on an ordinary day is the other cases' to tell: then this one ends.
void end_unless_sound(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  const Device info = backend.device(run.job().device);
  {
    const OpenedDevice once(run, backend, info);
  }
  OpenedDevice device(run, backend, info, Req::device_again);
  PacketMemory packets(device);
  Lane lane(device);
  Traffic traffic(run, device, packets);
  run.at("sending packets to a device that stays");
  for (int round = 0; round < 2; ++round) {
    health_of(backend, info.id);
    if (!carries(device, lane, traffic).empty()) run.end_early();
    traffic.forget();
    if (!lane.asynchronous()) continue;
    std::size_t left = 0;
    while (left == 0 && traffic.room() > kBurst) {
      const auto ops = traffic.some(kBurst);
      left = ops.size() - lane.submit(ops);
    }
    lane.drain();
    if (!traffic.what_is_wrong(left).empty()) run.end_early();
    traffic.forget();
  }
}

// Opening anew what is gone: all is well, or the answer is LOST.
void open_what_is_gone(Run& run, Backend& backend, std::uint64_t id) {
  const auto& t = backend.table();
  void* handle = nullptr;
  char text[256] = "";
  espalier_message message{text, sizeof text};
  run.at("opening a device that is gone");
  const auto status = t.userspace->device_open(t.self, id, &handle, &message);
  if (status == ESPALIER_OK) {
    t.userspace->device_close(handle);
    run.fail(Req::comes_back, "a device that is gone opens again under the id of what is gone");
  } else if (status != ESPALIER_LOST) {
    run.fail(Req::comes_back,
             "device_open() of a device that is gone answers " + status_name(status));
  }
}

void lost(Run& run) {
  const std::string& options = run.job().endings.lost;
  if (options.empty()) {
    for (const Req each : {Req::lost, Req::comes_back})
      run.not_applicable(each, "no profile says how its device is made to go away (lost_options)");
    return;
  }
  end_unless_sound(run);
  Backend backend(run, run.entry(), options, Req::backend_again);
  Doomed doomed(run, backend);
  run.at("sending packets until the device is gone");
  constexpr std::size_t kFew = 16;
  if (!doomed.send_until(kFew, [&] { return doomed.gone(); }))
    run.stop(Req::lost, "with lost_options, its health does not become GONE");
  run.at("sending packets to a device that is gone");
  for (int i = 0; i < 3; ++i) doomed.send(kFew);
  run.at("asking a device that is gone for a session");
  const auto& traffic = doomed.traffic();
  if (const auto answer = doomed.device().try_open(traffic.sa(), traffic.direction());
      answer.status != ESPALIER_LOST)
    run.fail(Req::lost,
             "session_open() of a device that is gone answers " + status_name(answer.status));
  doomed.quiesce();
  open_what_is_gone(run, backend, doomed.device().info().id);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(milliseconds(20));
    if (!doomed.gone()) run.fail(Req::lost, "its health was GONE, and then is not any more");
  }
  run.at("closing what a device that is gone had open");
}

void lost_deep(Run& run) {
  const std::string& options = run.job().endings.lost;
  if (options.empty())
    return run.not_applicable(Req::lost_whole,
                              "no profile says how its device is made to go away (lost_options)");
  end_unless_sound(run);
  Backend backend(run, run.entry(), options, Req::backend_again);
  Doomed doomed(run, backend);
  run.at("filling the queue until the device is gone");
  if (!doomed.send_until(std::size_t{1} << 16, [&] { return doomed.gone(); }))
    run.stop(Req::lost, "with lost_options, its health does not become GONE");
  if (doomed.lane().asynchronous())
    run.note(fmt::format("{} ops were in flight when it went away, {} at the most before",
                         doomed.lane().in_flight(), doomed.deepest()));
  run.at("taking back what a device that is gone had");
  doomed.collect();
  doomed.quiesce();
  run.at("closing what a device that is gone had open");
}

// What was open before the loss must neither carry a packet nor take one more session.
void try_the_dead(Run& run, Doomed& doomed) {
  run.at("using what was open before the device was lost");
  auto& traffic = doomed.traffic();
  if (const auto answer = doomed.device().try_open(traffic.sa(), traffic.direction());
      answer.status == ESPALIER_OK)
    run.fail(Req::stays_dead, "what was opened before the loss opens a session after it");
  const auto ops = traffic.some(8);
  if (doomed.lane().asynchronous()) {
    if (doomed.lane().submit(ops) != 0) doomed.collect();
  } else {
    doomed.device().table().process(doomed.lane().handle(), ops.data(), 8);
  }
  if (std::ranges::count(ops, ESPALIER_OP_DONE, &espalier_op::status) != 0)
    run.fail(Req::stays_dead, "a session of before the loss carries packets after it");
}

Device wait_until_back(Run& run, Backend& backend, const Device& before) {
  run.at("waiting for the device to come back");
  bool same_id = false;
  for (const auto until = Clock::now() + kPatience; Clock::now() < until;) {
    for (Device& device : backend.devices()) {
      if (device.name != before.name || device.state == DeviceState::lost) continue;
      same_id = device.id == before.id;
      if (!same_id) return std::move(device);
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
  run.stop(Req::comes_back, same_id ? "it is back under the id that it had before it was lost"
                                    : "with back_options, it is not back 10 s after it was lost");
}

// How many sessions open beside the one that is open, up to the capacity that is declared.
std::size_t room_of(OpenedDevice& device, const Traffic& traffic) {
  std::uint64_t capacity = 10'000;
  for (const CapacityPool& pool : device.info().pools)
    if (pool.kind == PoolKind::sas && (pool.directions & traffic.direction()) != 0)
      capacity = std::min(capacity, pool.capacity);
  std::vector<std::uint64_t> open;
  while (open.size() + 1 < capacity) {
    const auto answer = device.try_open(traffic.sa(), traffic.direction());
    if (answer.status != ESPALIER_OK) break;
    open.push_back(answer.session);
  }
  for (const auto session : open) device.close(session);
  return open.size();
}

// With one session open, the device has the room that it had then before the loss.
void fill_up(Run& run, Backend& backend, OpenedDevice& device, const Traffic& traffic,
             std::size_t before) {
  run.at("filling a device that is back");
  for (const CapacityPool& pool : backend.device(device.info().name).pools)
    if (pool.kind == PoolKind::sas && pool.use == PoolUse::live && pool.used > 1)
      run.fail(Req::stays_dead, fmt::format("pool '{}' of a device that is back says that {} are "
                                            "used, with one session open",
                                            pool.name, pool.used));
  if (const auto now = room_of(device, traffic); now < before)
    run.fail(Req::stays_dead, fmt::format("a device that is back takes {} sessions, of {} before "
                                          "it was lost",
                                          now, before));
}

void back(Run& run) {
  const std::string& options = run.job().endings.back;
  if (options.empty()) {
    for (const Req each : {Req::comes_back, Req::stays_dead})
      run.not_applicable(each,
                         "no profile says how its device goes away and comes back "
                         "(back_options)");
    return;
  }
  end_unless_sound(run);
  Backend backend(run, run.entry(), options, Req::backend_again);
  std::optional<Doomed> doomed(std::in_place, run, backend);
  const Device before = doomed->device().info();
  run.at("filling the device before it is gone");
  room_of(doomed->device(), doomed->traffic());  // a slot that is never freed is another case's
  const auto room = room_of(doomed->device(), doomed->traffic());
  run.at("sending packets until the device is gone");
  if (!doomed->send_until(kBurst, [&] { return doomed->gone(); }))
    run.stop(Req::lost, "with back_options, its health does not become GONE");
  doomed->collect();
  const Device now = wait_until_back(run, backend, before);
  if (!doomed->gone()) run.fail(Req::stays_dead, "with the device back, its old id is not GONE");
  try_the_dead(run, *doomed);
  doomed->quiesce();
  doomed.reset();
  run.at("opening a device that is back");
  OpenedDevice device(run, backend, now, Req::comes_back);
  PacketMemory packets(device);
  Lane lane(device, Req::comes_back);
  Traffic traffic(run, device, packets);
  run.at("sending packets to a device that is back");
  if (const auto wrong = carries(device, lane, traffic); !wrong.empty())
    run.stop(Req::comes_back, "it is back and opens, but " + wrong);
  fill_up(run, backend, device, traffic, room);
}

void degraded(Run& run) {
  const std::string& options = run.job().endings.degraded;
  if (options.empty())
    return run.not_applicable(Req::degraded,
                              "no profile says how its device is made DEGRADED (degraded_options)");
  end_unless_sound(run);
  Backend backend(run, run.entry(), options, Req::backend_again);
  Doomed doomed(run, backend);
  run.at("sending packets until the device is degraded");
  if (!doomed.send_until(kBurst, [&] { return doomed.state() == ESPALIER_DEGRADED; }))
    run.stop(Req::degraded, "with degraded_options, its health does not become DEGRADED");
  if (health_of(backend, doomed.device().info().id).reason[0] == 0)
    run.fail(Req::degraded, "its health is DEGRADED, for no reason that it gives");
  doomed.settle();
  run.at("sending packets to a device that is degraded");
  if (const auto wrong = carries(doomed.device(), doomed.lane(), doomed.traffic()); !wrong.empty())
    run.stop(Req::degraded, "once it is DEGRADED, " + wrong);
  run.at("opening a session of a device that is degraded");
  const auto& traffic = doomed.traffic();
  const auto answer = doomed.device().try_open(traffic.sa(), traffic.direction());
  if (answer.status == ESPALIER_OK) return doomed.device().close(answer.session);
  if (answer.status != ESPALIER_CAPACITY)  // it may have room for one
    run.fail(Req::degraded, fmt::format("once it is DEGRADED, a session is refused: {} ({})",
                                        answer.words, status_name(answer.status)));
}

}  // namespace

std::vector<Case> loss_cases() {
  return {
      {"lost", "A device that is gone.", Scope::device, false, {Req::lost, Req::comes_back}, lost},
      {"lost-deep",
       "A device that goes away with its queue full.",
       Scope::device,
       false,
       {Req::lost_whole},
       lost_deep},
      {"back",
       "A device that goes away, and comes back.",
       Scope::device,
       false,
       {Req::comes_back, Req::stays_dead},
       back},
      {"degraded",
       "A device that is not at its best.",
       Scope::device,
       false,
       {Req::degraded},
       degraded},
  };
}

}  // namespace espalier::conform
