// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <conform/cases.hpp>
#include <conform/heap.hpp>

#include <cstring>

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
  constexpr int kTimes = 300;  // more than a table of mappings holds
  for (int i = 0; i < kTimes; ++i) {
    PacketMemory first(device, 1U << 20);
    PacketMemory second(device, 2U << 20);
  }
  run.at("a packet in a region that was attached again");
  use(run, device);
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
  };
}

}  // namespace espalier::conform
