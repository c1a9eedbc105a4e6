// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/mman.h>
#include <conform/cases.hpp>
#include <conform/heap.hpp>
#include <load/status.hpp>

#include <algorithm>
#include <cstring>
#include <string_view>

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

// Memory of which the first half is attached.
class HalfAttached {
 public:
  static constexpr std::size_t kHalf = 1U << 20;

  explicit HalfAttached(OpenedDevice& device)
      : device_(device),
        memory_(
            mmap(nullptr, 2 * kHalf, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (memory_ == MAP_FAILED) throw KitError("no packet memory");
    load::Words words;
    if (const auto status =
            device.table().mem_attach(device.handle(), memory_, kHalf, &iova_, words.message());
        status != ESPALIER_OK)
      device.run().stop(Req::attach, fmt::format("{} bytes of packet memory are not attached: {}",
                                                 kHalf, words.text()));
  }
  ~HalfAttached() {
    detach();
    munmap(memory_, 2 * kHalf);
  }
  HalfAttached(const HalfAttached&) = delete;
  HalfAttached& operator=(const HalfAttached&) = delete;

  void detach() {
    if (attached_) device_.table().mem_detach(device_.handle(), memory_, kHalf);
    attached_ = false;
  }
  Spot at(std::size_t offset, const Bytes& packet) {
    std::uint8_t* const to = static_cast<std::uint8_t*>(memory_) + offset;
    std::ranges::copy(packet, to);
    return {to, static_cast<std::uint32_t>(packet.size()), iova_ + offset};
  }

 private:
  OpenedDevice& device_;
  void* memory_;
  std::uint64_t iova_ = 0;
  bool attached_ = true;
};

// A packet across the end of what is attached, one behind it, and one in what no longer is.
void unattached(Run& run) {
  Backend backend(run, run.entry(), run.job().options);
  OpenedDevice device(run, backend, backend.device(run.job().device));
  if (!device.info().needs_dma)
    return run.not_applicable(Req::unattached, "it needs no DMA: packet memory is not attached");
  const auto sas = device.sas(run.random(), "");
  const Sa& sa = sas.at(0);
  const bool outbound = device.does(*sa.info, ESPALIER_OUTBOUND, sa.esn);
  Bytes packet = random_bytes(run.random(), sa.length(64));
  if (!outbound) packet = Reference(run).sealed(sa, std::move(packet), 0);
  const auto session = device.open(sa, outbound ? ESPALIER_OUTBOUND : ESPALIER_INBOUND);
  {
    Lane lane(device);
    HalfAttached memory(device);
    const auto refuses = [&](std::string_view where, const Spot& from, const Spot& to) {
      run.at(fmt::format("a packet {}", where));
      auto op = make_op(session, sa, from, from.data == to.data ? nullptr : &to);
      const Bytes before(to.data, to.data + to.size);
      lane.complete(op);
      if (op.status != ESPALIER_OP_FAILED)
        run.fail(Req::unattached,
                 fmt::format("a packet {} is answered {}", where, op_status_name(op.status)));
      else if (!std::equal(before.begin(), before.end(), to.data))
        run.fail(Req::unattached,
                 fmt::format("a packet {} is answered FAILED, but written to", where));
    };
    constexpr std::size_t kEnd = HalfAttached::kHalf;
    run.at("a packet in attached memory");
    const Spot inside = memory.at(0, packet);
    auto op = make_op(session, sa, inside);
    if (lane.complete(op) != ESPALIER_OP_DONE) run.end_early();  // other cases tell that
    const auto fresh = [&](std::size_t offset) { return memory.at(offset, packet); };
    const Spot across = fresh(kEnd - packet.size() / 2);
    refuses("that ends behind attached memory", across, across);
    refuses("whose destination ends behind attached memory", fresh(0), across);
    const Spot behind = fresh(kEnd);
    refuses("behind attached memory", behind, behind);
    memory.detach();
    const Spot detached = fresh(0);
    refuses("in memory that was detached", detached, detached);
  }
  device.close(session);
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
      {"unattached",
       "Packets outside of attached memory.",
       Scope::device,
       false,
       {Req::unattached},
       unattached},
  };
}

}  // namespace espalier::conform
