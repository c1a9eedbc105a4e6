// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/heap.hpp>

#include <chrono>
#include <cstring>
#include <deque>
#include <span>
#include <thread>

namespace espalier::conform {
namespace {

// One packet through a device that has just been opened.
void use(Run& run, OpenedDevice& device) {
  const auto sas = device.sas(run.random(), "");
  const Sa& sa = sas.at(0);
  const auto direction =
      device.does(*sa.info, ESPALIER_OUTBOUND, sa.esn) ? ESPALIER_OUTBOUND : ESPALIER_INBOUND;
  const auto session = device.open(sa, direction);
  {
    Lane lane(device);
    PacketMemory memory(device, 1U << 20);
    const Spot spot = memory.take(sa.length(64));
    std::memset(spot.data, 0x33, spot.size);
    auto op = make_op(session, sa, spot);
    const auto status = lane.complete(op);
    if (status != ESPALIER_OP_DONE && direction == ESPALIER_OUTBOUND)
      run.stop(Req::device_again, "a packet is answered " + op_status_name(status));
  }
  device.close(session);
}

// `again` a number of times, and whether that leaves memory behind.
template <class Again>
void repeat(Run& run, std::string_view what, Again&& again) {
  const auto times = run.budget().reopens;
  const auto rounds = [&](std::uint32_t n) {
    for (std::uint32_t i = 0; i < n; ++i) {
      run.at(fmt::format("{}, the {}. time", what, i + 1));
      again();
    }
  };
  rounds(times / 2 + 1);
  const auto before = MemoryUse::now();
  rounds(times);
  if (const auto grown = MemoryUse::now().growth_over(before, times); !grown.empty())
    run.fail(Req::no_growth, fmt::format("{} {} times: {}", what, times, grown));
}

void device_again(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  repeat(run, "opening and closing the device", [&] {
    OpenedDevice device(run, backend, backend.device(run.job().device), Req::device_again);
    use(run, device);
  });
}

void backend_again(Run& run) {
  repeat(run, "starting and closing the backend", [&] {
    Backend backend(run, run.entry(), run.job().options, Req::backend_again);
    OpenedDevice device(run, backend, backend.device(run.job().device), Req::backend_again);
    use(run, device);
    if (backend.host().secrets_held() != 0)
      run.fail(Req::secrets, "secret memory is not given back with no session open");
  });
}

void attach(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  OpenedDevice device(run, backend, backend.device(run.job().device));
  if (!device.info().needs_dma)
    return run.not_applicable(Req::attach, "it needs no DMA: packet memory is not attached");
  run.at("attaching two regions");
  for (int i = 0; i < 20; ++i) {
    PacketMemory first(device, 1U << 20);
    PacketMemory second(device, 2U << 20);
  }
  run.at("a packet in a region that was attached again");
  use(run, device);
}

constexpr std::size_t kFewInFlight = 16;

// Packets until the device says that it is gone, or nothing of that is seen for long.
class LastPackets {
 public:
  LastPackets(Run& run, Backend& backend, OpenedDevice& device)
      : run_(run), backend_(backend), device_(device), lane_(device), memory_(device) {}

  void run() {
    const auto sas = device_.sas(run_.random(), "");
    const Sa& sa = sas.at(0);
    const auto direction =
        device_.does(*sa.info, ESPALIER_OUTBOUND, sa.esn) ? ESPALIER_OUTBOUND : ESPALIER_INBOUND;
    const auto session = device_.open(sa, direction);
    run_.at("sending packets until the device is gone");
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!gone() && std::chrono::steady_clock::now() < until) send(sa, session);
    if (!gone()) return run_.stop(Req::lost, "with lost_options, its health does not become GONE");
    run_.at("sending packets to a device that is gone");
    for (int i = 0; i < 3; ++i) send(sa, session);
    run_.at("asking a device that is gone for a session");
    if (const auto status = device_.try_open(sa, direction).status; status != ESPALIER_LOST)
      run_.fail(Req::lost,
                "session_open() of a device that is gone answers " + status_name(status));
    quiesce();
    run_.at("closing what a device that is gone had open");
    device_.close(session);
  }

 private:
  bool gone() const {
    espalier_health health{};
    health.struct_size = sizeof health;
    const auto& t = backend_.table();
    const auto status = t.health(t.self, device_.info().id, &health);
    return status == ESPALIER_LOST || (status == ESPALIER_OK && health.state == ESPALIER_GONE);
  }

  void send(const Sa& sa, std::uint64_t session) {
    if (lane_.in_flight() != 0) lane_.poll(64);
    const bool busy = lane_.in_flight() >= kFewInFlight;  // a full queue is another case's
    if (busy || memory_.free_bytes() < (1U << 20)) return;
    const Spot spot = memory_.take(sa.length(64));
    std::memset(spot.data, 0x55, spot.size);
    ops_.push_back(make_op(session, sa, spot));
    espalier_op* const one = &ops_.back();
    const auto& t = device_.table();
    if (!lane_.asynchronous()) {
      const auto status = t.process(lane_.handle(), &one, 1);
      if (status != ESPALIER_OK && status != ESPALIER_LOST)
        run_.fail(Req::lost, "a device that goes away answers " + status_name(status));
      return;
    }
    if (lane_.submit(std::span(&one, 1)) == 0) ops_.pop_back();
  }

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
      for (const espalier_op& op : ops_) all.insert(all.end(), op.esp, op.esp + op.length);
      return all;
    };
    const Bytes before = packets();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    if (packets() != before)
      run_.stop(Req::lost, "after it was gone and queue_quiesce() said OK, packets were written");
    lane_.forget();
  }

  Run& run_;
  Backend& backend_;
  OpenedDevice& device_;
  std::deque<espalier_op> ops_;  // never moves; the lane goes first
  Lane lane_;
  PacketMemory memory_;
};

void lost(Run& run) {
  if (run.job().lost_options.empty())
    return run.not_applicable(Req::lost,
                              "no profile says how its device is made to go away "
                              "(lost_options)");
  Backend backend(run, run.entry(), run.job().lost_options);
  OpenedDevice device(run, backend, backend.device(run.job().device));
  LastPackets(run, backend, device).run();
}

}  // namespace

std::vector<Case> life_cases() {
  return {
      {"device-again",
       "A device that is closed and opened again.",
       Scope::device,
       false,
       {Req::device_again, Req::no_growth},
       device_again},
      {"backend-again",
       "A backend that is closed and started again.",
       Scope::device,
       false,
       {Req::backend_again, Req::no_growth, Req::secrets},
       backend_again},
      {"attach", "Packet memory that comes and goes.", Scope::device, false, {Req::attach}, attach},
      {"lost", "A device that is gone.", Scope::device, false, {Req::lost}, lost},
  };
}

}  // namespace espalier::conform
